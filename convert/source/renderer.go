package source

import (
	"fmt"

	"qimport/arch/files"
	"qimport/manifest"
)

// standIn gives a chat template to a model that is stored without one: Ollama keeps the JSON files
// of a checkpoint alone, and names in the manifest's config the part of itself that writes the
// prompt. For the parts that serve Qwen3.x the turns are known. A note says so.
func (f *storedFiles) standIn(m manifest.Manifest, inv *Inventory) error {
	if m.Config.Digest.IsZero() {
		return nil
	}
	b, err := manifest.ReadBlob(f.path(m.Config.Digest), m.Config)
	if err != nil {
		return err
	}
	config, err := manifest.ParseConfig(b)
	if err != nil {
		return err
	}
	if template, known := rendererTemplate(config.Renderer); known {
		f.made = map[string][]byte{files.ChatTemplate: []byte(template)}
		inv.Chat.Template = files.Template{Text: template, File: files.ChatTemplate}
		inv.note("the model is stored without its chat template: the turns of Ollama's renderer %s stand in for it, without tools", config.Renderer)
	}
	return nil
}

// rendererTemplate is a chat template that writes plain turns as a renderer of Ollama does. Where
// thinking is switched off, the model is given an empty thought; switched on, those from 3.5 on are
// given its beginning.
func rendererTemplate(renderer string) (template string, known bool) {
	switch renderer {
	case "qwen3-coder":
		return fmt.Sprintf(turns, ""), true
	case "qwen3.5", "qwen3.8":
		return fmt.Sprintf(turns, `
    {%- if enable_thinking is defined and enable_thinking %}
        {{- '<think>\n' }}
    {%- endif %}`), true
	}
	return "", false
}

// turns is the markup of all Qwen3.x models; %s is what opens a thought.
const turns = `{%%- if tools %%}
    {{- raise_exception('this model is stored without its chat template, so it cannot be told of tools') }}
{%%- endif %%}
{%%- for message in messages %%}
    {{- '<|im_start|>' + message.role + '\n' + message.content | trim + '<|im_end|>\n' }}
{%%- endfor %%}
{%%- if add_generation_prompt %%}
    {{- '<|im_start|>assistant\n' }}
    {%%- if enable_thinking is defined and not enable_thinking %%}
        {{- '<think>\n\n</think>\n\n' }}
    {%%- endif %%}%s
{%%- endif %%}
`
