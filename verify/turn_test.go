package verify

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"qimport/arch/files"
	"qimport/quant/recipe"
	"qimport/runtime"
	"qimport/runtime/chat"
	"qimport/runtime/chat/answer"
	"qimport/verify/peer"
	"qimport/verify/report"
)

func TestTurnJudge(t *testing.T) {
	call := func(arguments string) answer.Answer {
		return answer.Answer{Calls: []chat.ToolCall{{Name: "tide", Arguments: json.RawMessage(arguments)}}, Form: answer.XML}
	}
	says := func(text string) answer.Answer { return answer.Answer{Content: text} }
	oban := []Call{{"tide", Value(`{"harbour":"Oban","day":7}`)}}
	for _, c := range []struct {
		name    string
		turn    Turn
		answer  answer.Answer
		outcome report.Outcome
		detail  string
	}{
		{"text", Turn{Prompt: "q", Expect: "four"}, says("At four."), report.Passed, "matches"},
		{"the thought does not count", Turn{Prompt: "q", Expect: "four"}, answer.Answer{Thinks: true, Closed: true, Thought: "four", Content: "Five."}, report.Failed, "does not match"},
		{"a thought without an end", Turn{Prompt: "q"}, answer.Answer{Thinks: true, Thought: "four"}, report.Failed, "no </think>"},
		{"the call", Turn{Prompt: "q", Calls: oban}, call(`{"day": 7.0, "harbour": "Oban"}`), report.Passed, "as it should"},
		{"another call", Turn{Prompt: "q", Calls: oban}, call(`{"harbour": "Oban"}`), report.Failed, `not tide({"harbour":"Oban","day":7})`},
		{"no call", Turn{Prompt: "q", Calls: oban}, says("At four."), report.Failed, "call nothing, not tide"},
		{"a call for text", Turn{Prompt: "q", Expect: "four"}, call(`{"at": "four"}`), report.Failed, "not nothing"},
		{"a call that nobody minds", Turn{Prompt: "q"}, call(`{}`), report.Passed, "call tide({})"},
		{"a call and words", Turn{Prompt: "q", Calls: oban[:1], Expect: "ask"}, call(`{"harbour":"Oban","day":7}`), report.Failed, "does not match ask"},
		{"after results", Turn{Results: []Value{Value(`"at four"`)}, Expect: "four"}, says("At five."), report.Failed, `the tool's "at four" answered "At five."`},
		{"JSON", Turn{Prompt: "q", JSON: true}, says(` {"at": 4}`), report.Passed, "which is JSON"},
		{"a list", Turn{Prompt: "q", JSON: true}, says(`[4]`), report.Passed, "which is JSON"},
		{"a number", Turn{Prompt: "q", JSON: true}, says(`4`), report.Failed, "no JSON object"},
		{"no JSON", Turn{Prompt: "q", JSON: true}, says(`{"at": 4`), report.Failed, "which is no JSON"},
		{"JSON and more", Turn{Prompt: "q", JSON: true}, says(`{"at": 4} as you see`), report.Failed, "which is no JSON"},
		{"keys", Turn{Prompt: "q", Keys: []string{"at", "in"}}, says(`{"at": 4, "in": "Oban"}`), report.Passed, "which is JSON"},
		{"a key that is missing", Turn{Prompt: "q", Keys: []string{"at", "in"}}, says(`{"at": 4}`), report.Failed, "JSON without in"},
		{"keys of a list", Turn{Prompt: "q", Keys: []string{"at"}}, says(`["at"]`), report.Failed, "no JSON object"},
		{"JSON and text", Turn{Prompt: "q", JSON: true, Expect: "5"}, says(`{"at": 4}`), report.Failed, "does not match 5"},
	} {
		if got := c.turn.judge(c.answer, nil); got.Passed != c.outcome || !strings.Contains(got.Detail, c.detail) {
			t.Errorf("%s: %s: %s; want %s: %s", c.name, got.Passed, got.Detail, c.outcome, c.detail)
		}
	}
	fenced := Turn{Prompt: "q", JSON: true, Expect: "4"}.judge(says("```json\n{\"at\": 4}\n```\n"), nil)
	if fenced.Passed != report.Passed || !strings.Contains(fenced.Warning, "fence") {
		t.Errorf("in a fence: %+v", fenced)
	}
	if got := (Turn{Prompt: "q"}).judge(says("<tool_call>"), errors.New("call 1 has no end")); got.Passed != report.Failed || !strings.Contains(got.Detail, "call 1 has no end") {
		t.Errorf("a call that cannot be read: %+v", got)
	}
}

// TestTalk: what the model says and calls is in the conversation that goes on, taken apart.
func TestTalk(t *testing.T) {
	x := talk{Case: Case{
		Prompt: "When does the tide turn?", System: "Be short.", Think: true, Tools: []Value{Value(tide)},
		Then: []Turn{{Results: []Value{Value(`"at four"`), Value(`{"at":5}`)}, Said: new("At four.")}, {Prompt: "Sure?"}},
	}}
	x.messages = x.opening()
	if !x.begin(0) {
		t.Fatal("the first turn asks nothing")
	}
	const call = "<tool_call>\n<function=tide>\n<parameter=day>\n7\n</parameter>\n</function>\n</tool_call>"
	x.end(runtime.BatchAnswer{Answer: runtime.Answer{Text: "Hm.\n</think>\n\nI ask.\n\n" + call}}, true)
	if x.begin(1) || !x.begin(2) || x.begin(3) {
		t.Error("turns are asked that have an answer, or not asked that have none")
	}
	var said []string
	for _, m := range x.messages {
		line := m.Role + ": " + m.ReasoningContent + "|" + m.Content
		for _, c := range m.ToolCalls {
			line += "|" + callsText([]chat.ToolCall{c})
		}
		said = append(said, line)
	}
	want := []string{"system: |Be short.", "user: |When does the tide turn?", `assistant: Hm.|I ask.|tide({"day":7})`, "tool: |at four", `tool: |{"at":5}`, "assistant: |At four.", "user: |Sure?"}
	if !slices.Equal(said, want) {
		t.Errorf("said %q\nwant %q", said, want)
	}
	if tools := x.replies[2].request.Chat.Tools; len(tools) != 1 || !strings.HasPrefix(string(tools[0]), `{"type":"function","function":{"name":"tide"`) {
		t.Errorf("on offer: %s", tools)
	}
	x.end(runtime.BatchAnswer{Err: errors.New("no")}, true)
	if x.lacks == "" {
		t.Error("a turn that was not answered is followed by others")
	}
}

// TestTurnsRun: a model answers turn after turn, with what was said before, in the template of a larger one.
func TestTurnsRun(t *testing.T) {
	needMLX(t)
	c := copyCheckpoint(t, dense)
	c.write(files.ChatTemplate, []byte(largerTemplate(t)))
	o := quick(report.Smoke)
	o.Lengths = []int{1}
	o.Cases = []Case{
		{Prompt: "What is the capital of France?", Expect: "Paris", Then: []Turn{{Prompt: "What is the capital of Spain?", Expect: "Madrid"}, {Prompt: "What is 2+2?", Expect: `\b4\b`}}},
		{
			Prompt: "When does the tide turn?", Tools: []Value{Value(tide)}, Said: new(""), Calls: []Call{{Name: "tide"}},
			Then: []Turn{{Results: []Value{Value(`"at four"`)}, Tokens: 5}, {Prompt: "What is 2+2?", Expect: `\b4\b`}},
		},
	}
	r := judge(t, Directory("tiny", c.dir), o)
	if !r.Passed {
		t.Errorf("failed %v, not run %v", ended(r, report.Failed), ended(r, report.NotRun))
	}
	for _, name := range []string{"smoke.answer.1.1", "smoke.answer.1.2", "smoke.answer.1.3", "smoke.answer.2.2", "smoke.answer.2.3"} {
		if _, asked := r.Check(name); !asked {
			t.Errorf("%s was not asked: %v", name, names(r.Checks))
		}
	}
	if len(r.Answers) != 5 || r.Answers[3].Case != 2 || r.Answers[3].Turn != 2 || !slices.Equal(r.Answers[3].Results, []string{"at four"}) || r.Effort.Questions != 5 {
		t.Errorf("answers %+v, %+v", r.Answers, r.Effort)
	}
	if want := (report.Template{Turns: true, Thinking: "opened by the template", Tools: "xml"}); *r.Template != want {
		t.Errorf("the template: %+v", r.Template)
	}
	// The small model's own template has no tools: what needs them was asked for and cannot be run.
	r = judge(t, Directory("tiny", dense), o)
	if got := ended(r, report.NotRun); !slices.Equal(got, []string{"smoke.answer.2.2", "smoke.answer.2.3"}) || r.Passed {
		t.Errorf("without tools: not run %v", got)
	}
}

// largerTemplate is one in the manner of the larger Qwen3.5.
func largerTemplate(t *testing.T) string {
	t.Helper()
	return string(checkpointCopy{t, "../runtime/chat/testdata"}.read("functions.jinja"))
}

// TestParserForm: a parser that reads calls in another form than the template writes is told of.
func TestParserForm(t *testing.T) {
	c := copyCheckpoint(t, dense)
	for template, warns := range map[string]bool{"functions.jinja": false, "hybrid.jinja": true} {
		c.write(files.ChatTemplate, checkpointCopy{t, "../runtime/chat/testdata"}.read(template))
		store, name := importInto(t, c.dir, recipe.Recipe{Policy: recipe.KeepSource})
		target, err := Stored(store, name)
		if err != nil {
			t.Fatal(err)
		}
		r := &run{Target: target}
		if r.checkTensors(t.Context()); r.source == nil {
			t.Fatal("it does not open")
		}
		defer r.close()
		r.checkVocabulary(t.Context())
		r.checkTemplate(t.Context())
		if got := r.checkTools(t.Context()); got.Passed != report.Passed || strings.Contains(got.Warning, "parser qwen3.5 reads") != warns {
			t.Errorf("%s: %+v", template, got)
		}
	}
}

// TestOllamaTurns: an Ollama is asked every turn after the same turns before, with the tools, and the calls that
// it makes are held to ours.
func TestOllamaTurns(t *testing.T) {
	needMLX(t)
	c := copyCheckpoint(t, dense)
	c.write(files.ChatTemplate, []byte(largerTemplate(t)))
	store, name := importInto(t, c.dir, recipe.Recipe{Policy: recipe.KeepSource})
	target, err := Stored(store, name)
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	server := played{name: "tiny:latest", digest: strings.TrimPrefix(target.Manifest.String(), "sha256:"), answers: func(q question) peer.Message {
		var said []string
		for _, m := range q.Messages {
			said = append(said, m.Role+callsText(peerCalls(m)))
		}
		asked = append(asked, strings.Join(said, " ")+" with "+string(q.Tools[0][:18]))
		if q.Messages[len(q.Messages)-1].Role == "tool" {
			return peer.Message{Role: "assistant", Calls: []peer.Call{{Function: peer.Function{Name: "tide", Arguments: json.RawMessage(`{}`)}}}}
		}
		return peer.Message{Role: "assistant", Content: "The result of 2 + 2 is 4."}
	}}
	o := quick(report.Smoke)
	o.Lengths, o.Ollama = []int{1}, server.serve(t)
	o.Cases = []Case{{
		Prompt: "When does the tide turn?", Tools: []Value{Value(tide)}, Said: new(""), Calls: []Call{{Name: "tide"}},
		Then: []Turn{{Results: []Value{Value(`"at four"`)}, Tokens: 5}, {Prompt: "What is 2+2?"}},
	}}
	r := judge(t, target, o)
	if called, _ := r.Check("ollama.answer.1.2"); called.Passed != report.Failed || !strings.Contains(called.Detail, "call tide({}), here nothing") {
		t.Errorf("a call: %+v", called)
	}
	if same, _ := r.Check("ollama.answer.1.3"); same.Passed != report.Passed || !strings.Contains(same.Detail, "as here") {
		t.Errorf("the same: %+v", same)
	}
	want := []string{
		`usernothing assistanttide({}) toolnothing with {"type":"function"`,
		`usernothing assistanttide({}) toolnothing assistantnothing usernothing with {"type":"function"`,
	}
	if !slices.Equal(asked, want) || len(r.Ollama.Answers[0].Calls) != 1 {
		t.Errorf("asked %q\nwant %q; answers %+v", asked, want, r.Ollama.Answers)
	}
}
