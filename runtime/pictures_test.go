package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/runtime"
	"qimport/runtime/chat"
	"qimport/runtime/mlx"
	"qimport/runtime/model"
	"qimport/runtime/picture"
	"qimport/runtime/runtimetest"
)

// question is one about pictures, and what transformers answers; see the fixtures' README.
type question struct {
	Pictures  []string
	Question  string `json:"q"`
	PromptIDs []int  `json:"prompt_ids"`
	AnswerIDs []int  `json:"answer_ids"`
	Answer    string
}

// readQuestions are those of a fixture with a tower.
func readQuestions(t testing.TB, dir string) []question {
	t.Helper()
	var all struct{ Pictures []question }
	b, err := os.ReadFile(dir + ".reference.json")
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil || len(all.Pictures) < 12 {
		t.Fatalf("%d questions: %v", len(all.Pictures), err)
	}
	return all.Pictures
}

// message is a question with its pictures.
func (q question) message(t testing.TB, dir string) chat.Message {
	t.Helper()
	m := chat.Message{Role: "user", Content: q.Question}
	for _, name := range q.Pictures {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		m.Pictures = append(m.Pictures, b)
	}
	return m
}

func towerDirs(t *testing.T) []string {
	folder := runtimetest.Folder(t)
	return []string{filepath.Join(folder, "tiny-qwen3.5-vl"), filepath.Join(folder, "tiny-qwen3.5-vl-moe")}
}

// TestPictures: prompts and answers of every question about pictures are those of transformers, alone and
// among other requests.
func TestPictures(t *testing.T) {
	for _, dir := range towerDirs(t) {
		for _, compute := range []runtime.Compute{runtime.F32, runtime.Quantized} {
			t.Run(filepath.Base(dir)+"/"+compute.String(), func(t *testing.T) {
				m := load(t, openDir(t, dir), runtime.Options{Compute: compute, Device: mlx.CPU})
				var requests []runtime.GenerateOptions
				questions := readQuestions(t, dir)
				for _, q := range questions {
					requests = append(requests, runtime.GenerateOptions{Messages: []chat.Message{q.message(t, dir)}, MaxTokens: len(q.AnswerIDs) + 1})
				}
				for i, a := range m.GenerateBatch(t.Context(), requests) {
					q := questions[i]
					if a.Err != nil {
						t.Fatal(a.Err)
					}
					if !slices.Equal(a.Prompt, q.PromptIDs) {
						t.Errorf("%v %q: the prompt is %v, want %v", q.Pictures, q.Question, a.Prompt, q.PromptIDs)
					}
					if !slices.Equal(a.Tokens, q.AnswerIDs) || a.Stop != runtime.StopEOS {
						t.Errorf("%v %q: got %q (%s), want %q", q.Pictures, q.Question, a.Text, a.Stop, q.Answer)
					}
				}
			})
		}
	}
}

// TestPicturesInTurns: a conversation that reads on answers as one that begins anew, with pictures in
// several turns; another picture in an earlier turn is read anew.
func TestPicturesInTurns(t *testing.T) {
	dir := towerDirs(t)[0]
	m := load(t, openDir(t, dir), runtime.Options{Device: mlx.CPU})
	questions := readQuestions(t, dir)
	c := m.NewConversation()
	defer c.Close()
	var messages []chat.Message
	for turn, q := range []question{questions[0], questions[7], questions[4]} {
		messages = append(messages, q.message(t, dir))
		o := runtime.GenerateOptions{Messages: messages, MaxTokens: 20}
		got, err := c.Generate(t.Context(), o, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := m.Generate(t.Context(), o, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Tokens, want.Tokens) || turn == 0 && !slices.Equal(got.Tokens, q.AnswerIDs) {
			t.Errorf("turn %d: got %q, alone %q", turn, got.Text, want.Text)
		}
		if turn > 0 && got.Prefill.Tokens >= want.Prefill.Tokens {
			t.Errorf("turn %d: all %d tokens were read again", turn, got.Prefill.Tokens)
		}
		messages = append(messages, chat.Message{Role: "assistant", Content: got.Text})
	}
	changed := slices.Clone(messages[:3])
	changed[0] = questions[1].message(t, dir) // of another size or colour
	got, err := c.Generate(t.Context(), runtime.GenerateOptions{Messages: changed, MaxTokens: 1}, nil)
	if err != nil || got.Prefill.Tokens != len(got.Prompt) {
		t.Errorf("%d of %d tokens were read: %v", got.Prefill.Tokens, len(got.Prompt), err)
	}
}

// TestPicturesAcrossSlices: pictures that lie across the slices in which a long prompt is read, layer by
// layer and slice by slice, are seen as in one.
func TestPicturesAcrossSlices(t *testing.T) {
	dir := towerDirs(t)[0]
	q := readQuestions(t, dir)[0]
	first := q.message(t, dir)
	for _, compute := range []runtime.Compute{runtime.F32, runtime.Quantized} {
		m := load(t, openDir(t, dir), runtime.Options{Compute: compute, Device: mlx.CPU})
		for _, words := range []int{244, 248, 500} { // of a token each; the picture has 12
			long := first
			filled := chat.Message{Role: "system", Content: strings.Repeat(" the", words)}
			whole, err := m.Generate(t.Context(), runtime.GenerateOptions{Messages: []chat.Message{filled, long}, MaxTokens: 12}, nil)
			if err != nil {
				t.Fatal(err)
			}
			worst, err := runtime.StepsApart(t.Context(), m, runtime.GenerateOptions{Messages: []chat.Message{filled, long}})
			if err != nil || !(worst <= 2e-3) {
				t.Errorf("%s, %d words: single steps are off by %.2g: %v", compute, words, worst, err)
			}
			t.Logf("%s, %d words: %q, off by %.2g", compute, words, whole.Text, worst)
		}
	}
}

// TestPicturesRefused: what cannot be seen is said in a sentence.
func TestPicturesRefused(t *testing.T) {
	dir := towerDirs(t)[0]
	m := load(t, openDir(t, dir), runtime.Options{Device: mlx.CPU})
	good := readQuestions(t, dir)[0].message(t, dir)
	for _, tt := range []struct {
		name, says string
		is         error
		change     func(*chat.Message)
	}{
		{"no picture", "picture 2: ", picture.ErrPicture, func(m *chat.Message) { m.Pictures = [][]byte{m.Pictures[0], []byte("a text")} }},
		{"a place too many", "the prompt has 2 places for a picture (<|image_pad|>), and 1 are given", nil, func(m *chat.Message) { m.Content = "What is <|image_pad|>?" }},
		{"too many", "the model has 4096 positions", runtime.ErrContext, func(m *chat.Message) { m.Pictures = slices.Repeat(m.Pictures, 400) }},
	} {
		bad := good
		tt.change(&bad)
		_, err := m.Generate(t.Context(), runtime.GenerateOptions{Messages: []chat.Message{bad}}, nil)
		if err == nil || !strings.Contains(err.Error(), tt.says) || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Generate(ctx, runtime.GenerateOptions{Messages: []chat.Message{good}}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	blind := small(t, runtime.Options{})
	if _, err := blind.Generate(t.Context(), runtime.GenerateOptions{Messages: []chat.Message{good}}, nil); !errors.Is(err, model.ErrNoTower) {
		t.Errorf("without a tower: %v", err)
	}
}
