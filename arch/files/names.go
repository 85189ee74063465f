package files

// The files of a model beside its weights, as all tools call them.
const (
	Config           = "config.json"
	GenerationConfig = "generation_config.json"
	Tokenizer        = "tokenizer.json"
	TokenizerConfig  = "tokenizer_config.json"
	ChatTemplate     = "chat_template.jinja"
	// ProcessorTemplate is where processors of vision models kept the template before ChatTemplate.
	ProcessorTemplate = "chat_template.json"
)

// Set is a model's files by name. A file that is not there is an error that wraps fs.ErrNotExist.
type Set interface {
	File(name string) ([]byte, error)
}
