package files

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// ErrOther is wrapped by the refusal of a model that is not made to say anything: it has the config of
// a language model, and other files that tell what it is.
var ErrOther = errors.New("no language model")

// The files that tell kinds of models apart that share config.json's words. Those of
// sentence-transformers stand beside embedding models and rerankers; a model's card is for people, and
// its head for the hub.
const (
	modulesFile   = "modules.json"
	sentencesFile = "config_sentence_transformers.json"
	cardFile      = "README.md"
)

const (
	embedding = "an embedding model (as Qwen3-Embedding), which makes vectors"
	reranker  = "a reranker (as Qwen3-Reranker), which scores documents"
	guard     = "a guard (as Qwen3Guard), which judges what others say"
	listener  = "a model of speech recognition (as Qwen3-ASR)"
	speaker   = "a model that speaks (as Qwen3-TTS)"
	maker     = "a model that makes pictures"
	rewarder  = "a model that gives rewards to others' answers"
)

// tasks are what the head of a model's card calls what the model is for.
var tasks = map[string]string{
	"feature-extraction": embedding, "sentence-similarity": embedding, "text-ranking": reranker,
	"automatic-speech-recognition": listener, "text-to-speech": speaker, "text-to-audio": speaker, "text-to-image": maker,
}

// marks are what only the templates of a kind say.
var marks = []struct{ text, kind string }{
	{"Judge whether the Document meets the requirements", reranker},
	{"<BEGIN UNSAFE CONTENT CATEGORIES>", guard},
}

// CheckKind refuses models that are none to talk to, by what the files beside config.json say.
func CheckKind(set Set) error {
	r := reader{set: set}
	for _, look := range []func(*reader) (kind, why string){sentenceKind, templateKind, cardKind} {
		if kind, why := look(&r); kind != "" {
			return fmt.Errorf("it is %s: %s; qimport takes models that answer in text: %w", kind, why, ErrOther)
		}
	}
	return nil // what is broken is refused where it is needed
}

// sentenceKind looks at what sentence-transformers keeps beside its models.
func sentenceKind(r *reader) (kind, why string) {
	if o := r.object(sentencesFile); o.keys != nil {
		if strings.Contains(string(o.keys["model_type"]), "CrossEncoder") {
			return reranker, sentencesFile + " says CrossEncoder"
		}
		return embedding, "there is a " + sentencesFile
	}
	if b, there := r.file(modulesFile); there && bytes.Contains(b, []byte("sentence_transformers")) {
		if bytes.Contains(b, []byte("Pooling")) {
			return embedding, modulesFile + " has a pooling module"
		}
		return reranker, modulesFile + " names modules of sentence-transformers"
	}
	return "", ""
}

// templateKind looks for instructions in the chat template.
func templateKind(r *reader) (kind, why string) {
	for _, name := range []string{ChatTemplate, TokenizerConfig} {
		b, _ := r.file(name)
		for _, m := range marks {
			quoted := strings.NewReplacer("<", `\u003c`, ">", `\u003e`).Replace(m.text)
			if bytes.Contains(b, []byte(m.text)) || bytes.Contains(b, []byte(quoted)) {
				return m.kind, fmt.Sprintf("the chat template in %s says %q", name, m.text)
			}
		}
	}
	return "", ""
}

// cardKind reads the task from the head of the model's card: lines between two of three dashes.
func cardKind(r *reader) (kind, why string) {
	b, _ := r.file(cardFile)
	head, found := bytes.CutPrefix(b, []byte("---\n"))
	if !found {
		return "", ""
	}
	head, _, _ = bytes.Cut(head, []byte("\n---"))
	for line := range strings.Lines(string(head)) {
		if task, ok := strings.CutPrefix(line, "pipeline_tag:"); ok {
			task = strings.Trim(task, " \t\r\n\"'")
			return tasks[task], fmt.Sprintf("%s says pipeline_tag %s", cardFile, task)
		}
	}
	return "", ""
}

// KindOfName is what an architecture's or a model type's name says that a model is, where that is none
// to talk to; "" if it says nothing of the kind.
func KindOfName(name string) string {
	lower := strings.ToLower(name)
	for _, k := range []struct{ part, kind string }{
		{"asr", listener}, {"tts", speaker}, {"talker", speaker}, {"guard", guard}, {"rerank", reranker},
		{"embedding", embedding}, {"reward", rewarder}, {"sequenceclassification", "a classifier (as rerankers are kept)"},
		{"tokenclassification", "a classifier of tokens"},
	} {
		if strings.Contains(lower, k.part) {
			return k.kind
		}
	}
	return ""
}
