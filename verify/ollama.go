package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"qimport/runtime"
	"qimport/runtime/chat"
	"qimport/runtime/chat/answer"
	"qimport/verify/peer"
	"qimport/verify/report"
)

// ollamaSteps ask who it is that would be compared with, before anything is run.
func (r *run) ollamaSteps() []step {
	if r.Ollama == nil {
		return nil
	}
	return []step{{"ollama.version", r.checkOllamaVersion}, {"ollama.digest", r.checkOllamaDigest}}
}

// ollamaAnswerSteps put the cases to it.
func (r *run) ollamaAnswerSteps() []step {
	if r.Ollama == nil {
		return nil
	}
	var steps []step
	for k, c := range r.cases() {
		for _, t := range c.asked() {
			steps = append(steps, step{"ollama.answer." + c.number(k, t), func(ctx context.Context) report.Check {
				return r.checkOllamaAnswer(ctx, k, t)
			}})
		}
	}
	return steps
}

func (r *run) checkOllamaVersion(ctx context.Context) report.Check {
	version, err := r.Ollama.Version(ctx)
	if err != nil {
		return notRun("%s", sentences(err))
	}
	r.report.Ollama = &report.Ollama{Address: r.Ollama.String(), Version: version, Answers: []report.OllamaAnswer{}}
	return pass("%s is Ollama %s", r.Ollama, version)
}

// checkOllamaDigest asks that the name means the same manifest there.
func (r *run) checkOllamaDigest(ctx context.Context) report.Check {
	if r.report.Ollama == nil {
		return notRun("the Ollama was not reached")
	}
	digest, err := r.Ollama.Digest(ctx, r.Name)
	switch {
	case errors.Is(err, peer.ErrNoModel):
		return fail("%s", sentences(err))
	case err != nil:
		return notRun("%s", sentences(err))
	}
	if digest = "sha256:" + digest; digest != r.Manifest.String() {
		return fail("%s is the manifest %s there, not %s: it serves another store, or the name was moved", r.Name, report.ShortDigest(digest), report.ShortDigest(r.Manifest.String()))
	}
	r.report.Ollama.Digest = digest
	return pass("%s is the manifest %s there too", r.Name, report.ShortDigest(digest))
}

// checkOllamaAnswer puts turn t of case k to the Ollama, after the turns before it as they were here, and
// holds its answer to ours.
func (r *run) checkOllamaAnswer(ctx context.Context, k, t int) report.Check {
	switch {
	case r.report.Ollama == nil || r.report.Ollama.Digest == "":
		return notRun("the Ollama was not reached, or has another model by that name")
	case r.model == nil || r.language.Template == nil:
		return notRun("the model did not load, or has no chat template")
	}
	said := r.talks(ctx)[k].replies[t]
	if said.lacks != "" {
		return notRun("%s: %s", said.what(), said.lacks)
	}
	request := said.request
	served, err := r.served(ctx, said)
	if err != nil {
		return notRun("%s: %s", said.what(), sentences(err))
	}
	theirs, err := r.Ollama.Chat(ctx, peer.Question{
		Model: r.Name, Messages: peerMessages(request.Messages), Tools: request.Chat.Tools, Think: *request.Chat.EnableThinking, Tokens: request.MaxTokens,
	})
	if err != nil {
		return notRun("%s: %s", said.what(), sentences(err))
	}
	calls := peerCalls(theirs.Message)
	told := report.OllamaAnswer{Prompt: said.Prompt, Results: said.results(), Thinking: theirs.Message.Thinking, Text: theirs.Message.Content, Calls: reported(calls), Tokens: theirs.Tokens, Stop: theirs.Stop}
	check, err := r.sameAnswer(ctx, served, calls, &told)
	if err != nil {
		return notRun("%s: %s", said.what(), sentences(err))
	}
	r.report.Ollama.Answers = append(r.report.Ollama.Answers, told)
	return check
}

func peerMessages(messages []chat.Message) []peer.Message {
	var out []peer.Message
	for _, m := range messages {
		said := peer.Message{Role: m.Role, Content: m.Content, Thinking: m.ReasoningContent, Images: m.Pictures}
		for _, c := range m.ToolCalls {
			said.Calls = append(said.Calls, peer.Call{Function: peer.Function{Name: c.Name, Arguments: c.Arguments}})
		}
		out = append(out, said)
	}
	return out
}

func peerCalls(m peer.Message) []chat.ToolCall {
	var calls []chat.ToolCall
	for _, c := range m.Calls {
		calls = append(calls, chat.ToolCall{Name: c.Function.Name, Arguments: c.Function.Arguments})
	}
	return calls
}

// served is our part in a turn as it is served: after the turns that are laid over the model, since Ollama puts
// them there.
func (r *run) served(ctx context.Context, said reply) (reply, error) {
	var before []chat.Message
	if said.request.Messages[0].Role != "system" && r.System != "" {
		before = append(before, chat.Message{Role: "system", Content: r.System})
	}
	if before = append(before, r.Before...); len(before) == 0 {
		return said, said.Err
	}
	said.request.Messages = append(before, said.request.Messages...)
	said.Answer, said.Err = r.model.Generate(ctx, said.request, nil)
	said.heard, said.malformed = said.hear(said.Text)
	return said, said.Err
}

// mostApart is how much less likely than our token theirs may be, in nats, where answers part: Ollama
// computes in bf16, and its rounding moves a log-probability by some tenths.
const mostApart = 1

// sameAnswer judges an answer, and the calls in it, beside ours. Where the two part, our model says how near
// their token was: a step that is as likely is rounding, and any other is another prompt or another model. Of
// calls Ollama does not tell the text, so they are the same or not.
func (r *run) sameAnswer(ctx context.Context, ours reply, calls []chat.ToolCall, told *report.OllamaAnswer) (report.Check, error) {
	if len(calls) > 0 || len(ours.heard.Calls) > 0 {
		told.Same = slices.EqualFunc(calls, ours.heard.Calls, answer.Same)
		if !told.Same {
			return fail("%s made it call %s, here %s", ours.what(), callsText(calls), callsText(ours.heard.Calls)), nil
		}
		return pass("%s made it call %s, as here", ours.what(), callsText(calls)), nil
	}
	text := inOurForm(ours.Text, told.Thinking, told.Text)
	if told.Same = strings.TrimSpace(text) == strings.TrimSpace(ours.Text); told.Same {
		return pass("%s answered %q, as here", ours.what(), clip(told.Text)), nil
	}
	if held := ours.judgeText(told.Text); held.Passed == report.Failed && ours.judgeText(ours.heard.Content).Passed == report.Passed {
		return fail("%s; here it answered %q", held.Detail, clip(ours.Text)), nil
	}
	at, apart, err := r.apart(ctx, ours.request, ours.BatchAnswer.Answer, text)
	if err != nil {
		return report.Check{}, err
	}
	told.PartsAt, told.Apart = &at, number(apart)
	return atMost(apart, mostApart, fmt.Sprintf("%s answered %q, here %q; from token %d on they differ, where theirs is less likely by, in nats",
		ours.what(), clip(told.Text), clip(ours.Text), at+1)), nil
}

// inOurForm puts thought and answer together again, which Ollama's parser took apart, with what is between
// them and before them in our answer.
func inOurForm(ours, thinking, content string) string {
	opened, _ := strings.CutPrefix(ours, "<think>")
	before := ours[:len(ours)-len(strings.TrimLeft(opened, " \n"))]
	if thinking == "" {
		return before + strings.TrimSpace(content)
	}
	thought, rest, closed := strings.Cut(ours, "</think>")
	if !closed || strings.TrimSpace(thought[len(before):]) != strings.TrimSpace(thinking) {
		return before + strings.TrimSpace(thinking) + "\n</think>\n\n" + strings.TrimSpace(content)
	}
	between := rest[:len(rest)-len(strings.TrimLeft(rest, " \n"))]
	return thought + "</think>" + between + strings.TrimSpace(content)
}

// apart says after how many tokens of our answer a text parts from it, and by how many nats our model
// prefers its own next token to the text's.
func (r *run) apart(ctx context.Context, request runtime.GenerateOptions, ours runtime.Answer, text string) (at int, nats float64, err error) {
	l := &r.language
	shared := ""
	for n := 1; n <= len(ours.Tokens); n++ {
		if next := l.Tokenizer.Decode(ours.Tokens[:n], false); strings.HasPrefix(text, next) {
			at, shared = n, next
		}
	}
	var logits []float32
	err = r.session(func(x *runtime.Session) error {
		ids, err := x.Show(ctx, request)
		if err == nil {
			logits, err = x.Feed(ctx, append(ids, ours.Tokens[:at]...))
		}
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	r.look(logits)
	likeliest := func(ids []int) float64 {
		most := math.Inf(-1)
		for _, id := range ids {
			most = max(most, float64(logits[id]))
		}
		return most
	}
	mine, theirs := l.Stops, l.Stops // where a text ends there
	if at < len(ours.Tokens) {
		mine = ours.Tokens[at : at+1]
	}
	if rest := l.Tokenizer.Encode(text[len(shared):]); len(rest) > 0 {
		theirs = rest[:1]
	}
	return at, likeliest(mine) - likeliest(theirs), nil
}
