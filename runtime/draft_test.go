package runtime_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/runtime"
	"qimport/runtime/chat"
	"qimport/runtime/mlx"
	"qimport/runtime/runtimetest"
)

// headed is a trained model with its head.
func headed(t *testing.T, name string, o runtime.Options) *runtime.Model {
	t.Helper()
	m := load(t, openDir(t, filepath.Join(runtimetest.Folder(t), name)), o)
	if err := m.LoadHead(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestDraftsTakenBack reads guesses of which none, some or all stand: what the session holds then, and what
// it and its head say next, is as after single steps.
func TestDraftsTakenBack(t *testing.T) {
	for _, tt := range []struct {
		name    string
		compute runtime.Compute
		most    int
	}{
		{"tiny-qwen3.5-vl", runtime.F32, 3},
		{"tiny-qwen3.5-vl", runtime.BF16, 2},
		{"tiny-qwen3.5-vl", runtime.Quantized, 4},
		{"tiny-qwen3.5-vl-moe", runtime.Quantized, 3},
	} {
		ids := readHead(t, tt.name).IDs
		t.Run(tt.name+"/"+tt.compute.String(), func(t *testing.T) {
			m := headed(t, tt.name, runtime.Options{Compute: tt.compute, Device: mlx.CPU})
			for n := 1; n <= tt.most; n++ {
				for stand := range n + 1 {
					takenBack(t, m, nil, ids, 20, n, stand)
				}
			}
		})
	}
}

// TestDraftsAfterPictures is the same within an answer about two pictures, where one session has read the
// prompt at once and the other token by token: the head has seen the pictures, at the same positions.
func TestDraftsAfterPictures(t *testing.T) {
	for _, dir := range towerDirs(t) {
		q := readQuestions(t, dir)[9]
		if len(q.Pictures) != 2 || len(q.AnswerIDs) < 20 {
			q = readQuestions(t, dir)[11]
		}
		request := runtime.GenerateOptions{Messages: []chat.Message{q.message(t, dir)}}
		for _, compute := range []runtime.Compute{runtime.F32, runtime.BF16} {
			t.Run(filepath.Base(dir)+"/"+compute.String(), func(t *testing.T) {
				m := headed(t, filepath.Base(dir), runtime.Options{Compute: compute, Device: mlx.CPU})
				ids := append(slices.Clone(q.PromptIDs), q.AnswerIDs...)
				for stand := range 4 {
					takenBack(t, m, &request, ids, len(q.PromptIDs)+2, 3, stand)
				}
			})
		}
	}
}

// takenBack reads n guesses in the middle of a text, from place at on, of which the first stand are the
// text's. The text may begin with a request that shows pictures.
func takenBack(t *testing.T, m *runtime.Model, request *runtime.GenerateOptions, ids []int, at, n, stand int) {
	t.Helper()
	wrong := slices.Clone(ids[at+1 : at+1+n])
	for i := stand; i < n; i++ {
		wrong[i] = (wrong[i] + 100) % m.Tokenizer.Size()
	}
	drafted, single := m.NewSession(), m.NewSession()
	defer drafted.Close()
	defer single.Close()
	drafted.Drafting()
	single.Drafting()
	var want [][]float32
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if request != nil {
		for _, x := range []*runtime.Session{drafted, single} {
			shown, err := x.Show(t.Context(), *request)
			must(err)
			if !slices.Equal(shown, ids[:len(shown)]) {
				t.Fatalf("the request is %v", shown)
			}
		}
	}
	_, err := drafted.Feed(t.Context(), ids[:at])
	must(err)
	if request == nil {
		_, err = single.Feed(t.Context(), ids[:at])
		must(err)
	}
	for _, id := range ids[single.Len():at] {
		_, err = single.Step(t.Context(), id)
		must(err)
	}
	for _, id := range ids[at : at+1+stand] {
		row, err := single.Step(t.Context(), id)
		must(err)
		want = append(want, row)
	}
	_, err = drafted.Guess(ids[at], n)
	must(err)
	rows, err := drafted.Check(append([]int{ids[at]}, wrong...), stand)
	must(err)
	limit := 1e-4
	if mode := m.Placement.Mode.String(); mode == "bf16" || mode != "f32" && m.Info().Device == mlx.GPU {
		limit = 0.5 // activations are bf16
	}
	if len(rows) != len(want) || !slices.Equal(drafted.Tokens(), single.Tokens()) {
		t.Fatalf("%d of %d stand: %d rows, %d tokens", stand, n, len(rows), drafted.Len())
	}
	for i := range rows {
		if d := furthest(rows[i], want[i]); d > limit {
			t.Errorf("%d of %d stand: logits after %d are %g from those of single steps", stand, n, i, d)
		}
	}
	states, keys, err := drafted.Held()
	must(err)
	wantStates, wantKeys, err := single.Held()
	must(err)
	if len(states) != len(wantStates) || len(states) == 0 || !slices.Equal(keys, wantKeys) {
		t.Fatalf("%d of %d stand: %d states and keys %v, want %d and %v", stand, n, len(states), keys, len(wantStates), wantKeys)
	}
	for i := range states {
		if d := furthest(states[i], wantStates[i]); d > limit {
			t.Errorf("%d of %d stand: state %d is %g from that of single steps", stand, n, i, d)
		}
	}
	next := ids[at+1+stand]
	got, err := drafted.Guess(next, 3)
	must(err)
	guess, err := single.Guess(next, 3)
	must(err)
	if limit < 0.1 && !slices.Equal(got, guess) {
		t.Errorf("%d of %d stand: the head goes on with %v, after single steps with %v", stand, n, got, guess)
	}
}

// TestDraftedAnswers gives the same tokens with drafts as without, likeliest ones and drawn ones, whatever
// ends the answer, and leaves conversations able to go on.
func TestDraftedAnswers(t *testing.T) {
	drawn := runtime.Sampling{Temperature: 0.8, TopK: 20, RepetitionPenalty: 1.1, Seed: 7}
	for _, tt := range []struct {
		name   string
		drafts []int
		o      runtime.GenerateOptions
	}{
		{"tiny-qwen3.5-vl", []int{1, 2, 3, 5}, runtime.GenerateOptions{MaxTokens: 40}},
		{"tiny-qwen3.5-vl-moe", []int{2}, runtime.GenerateOptions{MaxTokens: 40}},
		{"tiny-qwen3.5-vl", []int{2}, runtime.GenerateOptions{MaxTokens: 40, Sampling: drawn}},
		{"tiny-qwen3.5-vl", []int{3}, runtime.GenerateOptions{MaxTokens: 7}},
		{"tiny-qwen3.5-vl", []int{3}, runtime.GenerateOptions{MaxTokens: 8}},
		{"tiny-qwen3.5-vl", []int{3}, runtime.GenerateOptions{MaxTokens: 40, Stop: []string{" is", " 15"}}},
	} {
		m := headed(t, tt.name, runtime.Options{Device: mlx.CPU})
		want := answers(t, m, tt.o)
		for _, n := range tt.drafts {
			o := tt.o
			o.Draft = n
			drafted, accepted := 0, 0
			for i, got := range answers(t, m, o) {
				w, d := want[i], got.Drafts
				if !slices.Equal(got.Tokens, w.Tokens) || got.Text != w.Text || got.Stop != w.Stop ||
					got.Decode.Tokens != w.Decode.Tokens || got.Prefill.Tokens != w.Prefill.Tokens {
					t.Errorf("%s, %d drafts, %+v: %q, %s, want %q, %s", tt.name, n, tt.o, got.Text, got.Stop, w.Text, w.Stop)
				}
				if d == nil || w.Drafts != nil || 1+d.With.Tokens+d.Plain.Tokens > got.Decode.Tokens {
					t.Fatalf("%d tokens, %+v", got.Decode.Tokens, d)
				}
				drafted, accepted = drafted+d.Drafted, accepted+d.Accepted
			}
			t.Logf("%s, %d drafts: %d of %d accepted", tt.name, n, accepted, drafted)
			if tt.o.MaxTokens == 40 && tt.o.Stop == nil && (accepted == 0 || n > 1 && accepted == drafted) {
				t.Errorf("%s, %d drafts, %+v: %d of %d accepted", tt.name, n, tt.o, accepted, drafted)
			}
		}
	}
}

// answers are those of a conversation about what the small models know, and do not know.
func answers(t *testing.T, m *runtime.Model, o runtime.GenerateOptions) (all []runtime.Answer) {
	t.Helper()
	c := m.NewConversation()
	defer c.Close()
	for _, q := range []string{"What is the capital of Belgium?", "Count from 8 to 20.", "Tell me about Go."} {
		o.Messages = append(o.Messages, chat.Message{Role: "user", Content: q})
		a, err := c.Generate(t.Context(), o, nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
		o.Messages = append(o.Messages, chat.Message{Role: "assistant", Content: a.Text})
	}
	return all
}

// TestDraftedPictures gives the same answers about pictures with drafts as without, in conversations that show
// more of them in later turns, and of drawn tokens.
func TestDraftedPictures(t *testing.T) {
	for _, dir := range towerDirs(t) {
		m, questions := headed(t, filepath.Base(dir), runtime.Options{Device: mlx.CPU}), readQuestions(t, dir)
		for _, sampling := range []runtime.Sampling{{}, {Temperature: 0.8, TopK: 20, Seed: 7}} {
			plain, drafting := m.NewConversation(), m.NewConversation()
			o := runtime.GenerateOptions{MaxTokens: 40, Sampling: sampling}
			drafted, accepted := 0, 0
			for _, q := range []int{9, 7, 11, 2} {
				o.Messages, o.Draft = append(o.Messages, questions[q].message(t, dir)), 0
				want, err := plain.Generate(t.Context(), o, nil)
				if err != nil {
					t.Fatal(err)
				}
				o.Draft = 2
				got, err := drafting.Generate(t.Context(), o, nil)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got.Tokens, want.Tokens) || got.Stop != want.Stop || got.Prefill.Tokens != want.Prefill.Tokens {
					t.Errorf("%s, question %d: %q, %s, want %q, %s", filepath.Base(dir), q, got.Text, got.Stop, want.Text, want.Stop)
				}
				drafted, accepted = drafted+got.Drafts.Drafted, accepted+got.Drafts.Accepted
				o.Messages = append(o.Messages, chat.Message{Role: "assistant", Content: want.Text})
			}
			plain.Close()
			drafting.Close()
			if t.Logf("%s: %d of %d accepted", filepath.Base(dir), accepted, drafted); accepted == 0 {
				t.Error("no draft was accepted")
			}
		}
	}
}

// TestDraftRefused: what cannot be drafted for.
func TestDraftRefused(t *testing.T) {
	m := headed(t, "tiny-qwen3.5-vl", runtime.Options{Device: mlx.CPU})
	other := small(t, runtime.Options{})
	for _, tt := range []struct {
		m    *runtime.Model
		o    runtime.GenerateOptions
		want string
	}{
		{other, runtime.GenerateOptions{Prompt: "a", Draft: 1}, "not loaded"},
		{m, runtime.GenerateOptions{Prompt: "a", Draft: -1}, "1 to 16"},
		{m, runtime.GenerateOptions{Prompt: "a", Draft: 17}, "1 to 16"},
	} {
		if _, err := tt.m.Generate(t.Context(), tt.o, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt.o, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	tokens := 0
	a, err := m.Generate(ctx, runtime.GenerateOptions{Messages: []chat.Message{{Role: "user", Content: "Count from 8 to 20."}}, MaxTokens: 50, Draft: 2}, func(string) {
		if tokens++; tokens == 12 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || a.Stop != runtime.StopInterrupted || len(a.Tokens) < 12 || len(a.Tokens) > 15 {
		t.Errorf("interrupted after %d tokens: %v, %s", len(a.Tokens), err, a.Stop)
	}
}
