package verify

import (
	"context"
	"fmt"

	"qimport/runtime"
	"qimport/runtime/chat"
	"qimport/runtime/chat/answer"
	"qimport/verify/language"
	"qimport/verify/report"
)

// talk is a case under way: what was said so far, and a reply for each of its turns.
type talk struct {
	Case
	messages []chat.Message
	replies  []reply
	lacks    string // why it cannot go on
}

// reply is the model's part in a turn.
type reply struct {
	Turn
	request runtime.GenerateOptions
	runtime.BatchAnswer
	heard     answer.Answer
	malformed error  // of a call in it
	opened    bool   // the prompt ends inside a thought
	lacks     string // why it was not asked for
}

// hear takes an answer to the turn apart.
func (r reply) hear(text string) (answer.Answer, error) {
	thinking := r.opened || *r.request.Chat.EnableThinking
	return answer.Parse(text, answer.Asked{Thinking: thinking, Opened: r.opened, Tools: r.request.Chat.Tools})
}

// asked are the turns of a case whose answer is not given, counted from 0.
func (c Case) asked() []int {
	var all []int
	for i, t := range c.turns() {
		if t.Said == nil {
			all = append(all, i)
		}
	}
	return all
}

// number is what turn t of case k is called in the name of a check.
func (c Case) number(k, t int) string {
	if len(c.Then) == 0 {
		return fmt.Sprint(k + 1)
	}
	return fmt.Sprintf("%d.%d", k+1, t+1)
}

// opening is what stands before the first turn.
func (c Case) opening() []chat.Message {
	if c.System == "" {
		return nil
	}
	return []chat.Message{{Role: "system", Content: c.System}}
}

// put is what is said to the model in a turn.
func (t Turn) put() []chat.Message {
	if t.Prompt != "" {
		return []chat.Message{{Role: "user", Content: t.Prompt, Pictures: t.files}}
	}
	var all []chat.Message
	for _, result := range t.results() {
		all = append(all, chat.Message{Role: "tool", Content: result})
	}
	return all
}

// results are what tools answered, as text.
func (t Turn) results() []string {
	var all []string
	for _, v := range t.Results {
		all = append(all, v.text())
	}
	return all
}

// asking puts a turn after what was said before.
func (c Case) asking(t Turn, before []chat.Message) runtime.GenerateOptions {
	most := t.Tokens
	if most == 0 {
		most = answerTokens
	}
	request := greedily(append(before[:len(before):len(before)], t.put()...), c.Think, most)
	request.Chat.Tools = c.offered()
	return request
}

// talks puts all cases to the model, once: the first turns side by side, then those that follow on them.
func (r *run) talks(ctx context.Context) []talk {
	if r.talked != nil {
		return r.talked
	}
	longest := 0
	for _, c := range r.cases() {
		r.talked = append(r.talked, talk{Case: c, messages: c.opening(), lacks: r.lacks(c)})
		longest = max(longest, len(c.turns()))
	}
	for n := range longest {
		var asked []*talk
		var requests []runtime.GenerateOptions
		for k := range r.talked {
			if t := &r.talked[k]; t.begin(n) {
				request := t.replies[n].request
				request.Hopeless = hopeless
				asked, requests = append(asked, t), append(requests, request)
			}
		}
		if len(asked) == 0 {
			continue
		}
		r.announce(asked)
		for i, said := range r.model.GenerateBatch(ctx, requests) {
			asked[i].end(said, r.opened(asked[i].Case))
		}
	}
	return r.talked
}

// announce says what is being asked: the first of the questions, and how many more are asked beside it.
func (r *run) announce(asked []*talk) {
	if r.Progress == nil {
		return
	}
	first := asked[0].replies[len(asked[0].replies)-1].Prompt
	said := fmt.Sprintf("asking %.40q", first)
	if len(asked) > 1 {
		said += fmt.Sprintf(" and %d more", len(asked)-1)
	}
	r.Progress(said)
}

// lacks says what a case needs that the template does not have.
func (r *run) lacks(c Case) string {
	if len(c.Tools) > 0 && r.template().Tools == answer.None.String() {
		return "the chat template knows no tools"
	}
	return ""
}

// opened says whether answers of a case begin inside a thought.
func (r *run) opened(c Case) bool {
	how := language.Thinking(r.template().Thinking)
	return how == language.Always || c.Think && how == language.Opens
}

// begin puts turn n, if there is one; false if there is nothing to answer.
func (t *talk) begin(n int) bool {
	turns := t.turns()
	if n >= len(turns) {
		return false
	}
	next := reply{Turn: turns[n], lacks: t.lacks, request: t.asking(turns[n], t.messages)}
	t.replies = append(t.replies, next)
	t.messages = next.request.Messages
	if next.Said != nil {
		t.messages = append(t.messages, chat.Message{Role: "assistant", Content: *next.Said, ToolCalls: next.made()})
		return false
	}
	return t.lacks == ""
}

// end takes the answer of the turn that began last.
func (t *talk) end(said runtime.BatchAnswer, opened bool) {
	last := &t.replies[len(t.replies)-1]
	last.BatchAnswer = said
	if said.Err != nil {
		t.lacks = "the turn before it was not answered"
		return
	}
	last.opened = opened
	last.heard, last.malformed = last.hear(said.Text)
	t.messages = append(t.messages, chat.Message{Role: "assistant", Content: last.heard.Content, ReasoningContent: last.heard.Thought, ToolCalls: last.heard.Calls})
}

func reported(calls []chat.ToolCall) []report.Call {
	var all []report.Call
	for _, c := range calls {
		all = append(all, report.Call{Name: c.Name, Arguments: c.Arguments})
	}
	return all
}
