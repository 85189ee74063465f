package verify

import (
	"context"
	"fmt"

	"qimport/convert/ollama"
	"qimport/manifest"
	"qimport/runtime/chat/answer"
	"qimport/verify/language"
	"qimport/verify/report"
)

// checkTurns asks that the template writes conversations of several turns.
func (r *run) checkTurns(ctx context.Context) report.Check {
	if r.language.Template == nil {
		return notRun("there is no chat template that renders")
	}
	if err := language.KeepsTurns(ctx, r.language.Template, r.turnEnd); err != nil {
		return fail("%s", sentences(err))
	}
	r.template().Turns = true
	return pass("a system turn and five turns after it are written in their order, each ended")
}

// checkThinking asks that thoughts are opened and closed where they should be.
func (r *run) checkThinking(ctx context.Context) report.Check {
	if r.language.Template == nil {
		return notRun("there is no chat template that renders")
	}
	how, err := language.ThinkingOf(ctx, r.language.Template)
	if err != nil {
		return fail("%s", sentences(err))
	}
	r.template().Thinking = string(how)
	if how == language.NoThinking {
		return pass("the chat template knows no thinking")
	}
	return pass("a thought is %s; those of earlier turns are between <think> and </think>, or left out", how)
}

// checkTools asks that calls of tools that the template writes can be read back, in the form that the model's
// parser reads.
func (r *run) checkTools(ctx context.Context) report.Check {
	if r.language.Template == nil {
		return notRun("there is no chat template that renders")
	}
	form, err := language.ToolsOf(ctx, r.language.Template, r.turnEnd)
	if err != nil {
		return fail("%s", sentences(err))
	}
	r.template().Tools = form.String()
	if form == answer.None {
		return pass("the chat template knows no tools")
	}
	c := pass("a tool is offered, its calls are written as %s and read back as they were, and its answers are given back", form)
	if parser, reads := r.parser(); reads != ollama.NoTools && (reads == ollama.XMLTools) != (form == answer.XML) {
		c.Warning = fmt.Sprintf("the model's parser %s reads calls in another form: with Ollama tools will not work", parser)
	}
	return c
}

// parser is the part of Ollama that takes answers of the model apart, and the form of calls that it reads; none
// where the model has no such part, or an unknown one.
func (r *run) parser() (name string, form ollama.ToolForm) {
	if r.Config.Digest.IsZero() {
		return "", ollama.NoTools
	}
	b, err := manifest.ReadBlob(r.Path(r.Config.Digest), r.Config)
	if err != nil {
		return "", ollama.NoTools // which blobs.digests tells
	}
	config, err := manifest.ParseConfig(b)
	if err != nil {
		return "", ollama.NoTools
	}
	part, _ := ollama.Parser(config.Parser)
	return config.Parser, part.Tools
}

// template is what the report says of the template.
func (r *run) template() *report.Template {
	if r.report.Template == nil {
		r.report.Template = &report.Template{}
	}
	return r.report.Template
}
