package verify

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/quant"
	"qimport/quant/recipe"
	"qimport/runtime"
	"qimport/runtime/chat"
	"qimport/verify/peer"
	"qimport/verify/report"
)

// played is a server that speaks Ollama's API: it has one model, and says what it is told to.
type played struct {
	name, digest string
	says         func(prompt string) string
	status       int                         // of an answer; 0 is 200
	answers      func(question) peer.Message // in place of says, of a conversation
}

// question is what a server is asked.
type question struct {
	Messages []peer.Message
	Tools    []json.RawMessage
	Think    bool
}

func (p played) serve(t *testing.T) *peer.Peer {
	t.Helper()
	mux := http.NewServeMux()
	reply := func(path string, v func(*http.Request) any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if path == "/api/chat" && p.status != 0 {
				w.WriteHeader(p.status)
			}
			if err := json.NewEncoder(w).Encode(v(r)); err != nil {
				t.Error(err)
			}
		})
	}
	reply("/api/version", func(*http.Request) any { return map[string]string{"version": "0.32.15"} })
	reply("/api/show", func(*http.Request) any { return map[string][]string{"capabilities": {"completion", "thinking"}} })
	reply("/api/tags", func(*http.Request) any {
		return map[string]any{"models": []map[string]string{{"name": p.name, "digest": p.digest}}}
	})
	reply("/api/chat", func(r *http.Request) any {
		var asked question
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || p.answers == nil && len(asked.Messages) != 1 || asked.Think {
			t.Errorf("asked %+v, %v", asked, err)
		}
		if p.answers != nil {
			return map[string]any{"message": p.answers(asked), "done": true, "done_reason": "stop", "eval_count": 3}
		}
		if p.status != 0 {
			return map[string]string{"error": "the runner has ended"}
		}
		answer := p.says(asked.Messages[0].Content)
		return map[string]any{"message": map[string]string{"role": "assistant", "content": answer}, "done": true, "done_reason": "stop", "eval_count": 3}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return peerAt(t, server.URL)
}

func peerAt(t *testing.T, address string) *peer.Peer {
	t.Helper()
	p, err := peer.New(address)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tinyStored is a model in a store, and what it answers.
func tinyStored(t *testing.T) (Target, map[string]string) {
	t.Helper()
	store, name := importInto(t, dense, recipe.Recipe{Policy: recipe.Ollama, Type: quant.FormatNVFP4})
	target, err := Stored(store, name)
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, a := range judge(t, target, Options{Level: report.Smoke, Lengths: []int{1}}).Answers {
		said[a.Prompt] = a.Text
	}
	return target, said
}

// TestOllama: an Ollama with another model, or that answers otherwise, fails the check by name; one that
// cannot be asked leaves it open.
func TestOllama(t *testing.T) {
	needMLX(t)
	target, said := tinyStored(t)
	digest := strings.TrimPrefix(target.Manifest.String(), "sha256:")
	echo := func(prompt string) string { return strings.TrimSpace(said[prompt]) }
	instead := func(of, answer string) func(string) string {
		return func(prompt string) string {
			if strings.Contains(prompt, of) {
				return answer
			}
			return echo(prompt)
		}
	}
	for _, c := range []struct {
		name   string
		server played
		check  string
		passed report.Outcome
		detail string
	}{
		{"the same", played{"tiny:latest", digest, echo, 0, nil}, "ollama.answer.4", report.Passed, "as here"},
		{"another manifest", played{"tiny:latest", strings.Repeat("0", 64), echo, 0, nil}, "ollama.digest", report.Failed, "sha256:000000000000 there"},
		{"asks another nothing", played{"tiny:latest", strings.Repeat("0", 64), echo, 0, nil}, "ollama.answer.1", report.NotRun, "has another model"},
		{"not there", played{"other:latest", digest, echo, 0, nil}, "ollama.digest", report.Failed, "none called tiny:latest"},
		{"a wrong answer", played{"tiny:latest", digest, instead("2+2", "It is 5."), 0, nil}, "ollama.answer.1", report.Failed, "does not match"},
		{"other words", played{"tiny:latest", digest, instead("France", "Zebra Paris."), 0, nil}, "ollama.answer.2", report.Failed, "less likely"},
		{"a part of it", played{"tiny:latest", digest, instead("France", "The capital of France is Paris"), 0, nil}, "ollama.answer.2", report.Failed, "less likely"},
		{"at fault", played{"tiny:latest", digest, nil, 500, nil}, "ollama.answer.1", report.NotRun, "the runner has ended"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := judge(t, target, Options{Level: report.Smoke, Lengths: []int{1}, Ollama: c.server.serve(t)})
			got, _ := r.Check(c.check)
			if got.Passed != c.passed || !strings.Contains(got.Detail, c.detail) {
				t.Errorf("%+v", got)
			}
			if r.Passed != (c.passed == report.Passed) || r.Ollama == nil || r.Ollama.Version != "0.32.15" {
				t.Errorf("passed: %v; %+v", r.Passed, r.Ollama)
			}
		})
	}
	r := judge(t, target, Options{Level: report.Smoke, Lengths: []int{1}, Ollama: peerAt(t, "127.0.0.1:1")})
	if c, _ := r.Check("ollama.version"); c.Passed != report.NotRun || !strings.Contains(c.Detail, "connection refused") || r.Passed || r.Ollama != nil {
		t.Errorf("nobody there: %+v", c)
	}
	if _, err := Run(t.Context(), target, Options{Level: report.Blobs, Ollama: peerAt(t, "")}); err == nil {
		t.Error("at the level of blobs nothing can be compared")
	}
}

// TestOllamaParts: an answer that parts where two tokens are about as likely is as good.
func TestOllamaParts(t *testing.T) {
	needMLX(t)
	target, _ := tinyStored(t)
	src, err := target.Open()
	if err != nil {
		t.Fatal(err)
	}
	c := Case{Prompt: "Tell me a story.", Tokens: 100}
	close, far := turns(t, src, c)
	for _, q := range []struct {
		answer string
		passed report.Outcome
	}{{close, report.Passed}, {far, report.Failed}} {
		server := played{"tiny:latest", strings.TrimPrefix(target.Manifest.String(), "sha256:"), func(string) string { return q.answer }, 0, nil}
		r := judge(t, target, Options{Level: report.Smoke, Lengths: []int{1}, Cases: []Case{c}, Ollama: server.serve(t)})
		got, _ := r.Check("ollama.answer.1")
		if a := r.Ollama.Answers[0]; got.Passed != q.passed || a.Same || a.PartsAt == nil || *a.PartsAt == 0 || a.Apart == nil || *a.Apart <= 0 {
			t.Errorf("%q: %+v, %+v", q.answer, got, a)
		}
	}
}

// turns are beginnings of a model's answer that go on with another token than its own: one that it takes to
// be nearly as likely, and one that it does not.
func turns(t *testing.T, src *source.Source, c Case) (near, far string) {
	t.Helper()
	defer src.Close()
	m, err := runtime.Load(t.Context(), src, runtime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	a, err := m.Generate(t.Context(), c.request(), nil)
	if err != nil {
		t.Fatal(err)
	}
	x := m.NewSession()
	defer x.Close()
	logits, err := x.Feed(t.Context(), a.Prompt)
	for k, own := range a.Tokens {
		if err != nil {
			t.Fatal(err)
		}
		for id, l := range logits {
			word := m.Tokenizer.Decode([]int{id}, false)
			begin := m.Tokenizer.Decode(a.Tokens[:k], false)
			apart := logits[own] - l
			again := m.Tokenizer.Encode(word)
			plain := k > 0 && id != own && len(again) == 1 && again[0] == id && strings.TrimSpace(word) != "" && strings.TrimRight(word, " \n") == word
			switch {
			case plain && near == "" && apart > 0.05 && apart < 0.9:
				near = begin + word
			case plain && far == "" && apart > 3:
				far = begin + word
			}
		}
		logits, err = x.Step(t.Context(), own)
	}
	if near == "" || far == "" {
		t.Fatalf("the answer %q has no such places: %q, %q", a.Text, near, far)
	}
	return near, far
}

// TestServedAnswer: what is laid over the model stands before our question as before Ollama's, the system turn
// only where the case has none.
func TestServedAnswer(t *testing.T) {
	needMLX(t)
	src, err := source.OpenDir(dense)
	if err != nil {
		t.Fatal(err)
	}
	m, err := runtime.Load(t.Context(), src, runtime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m.CloseWith(src)
	defer m.Close()
	r := &run{Options: Options{Cases: []Case{{Prompt: "And 2+2?", Tokens: 1}, {Prompt: "And 2+2?", System: "Be kind.", Tokens: 1}}}}
	r.model, r.System, r.Before = m, "Be brief.", []chat.Message{{Role: "user", Content: "Hello."}, {Role: "assistant", Content: "Ahoy!"}}
	for k, system := range []string{"Be brief.", "Be kind."} {
		a, err := r.served(t.Context(), r.talks(t.Context())[k].replies[0])
		prompt := m.Tokenizer.Decode(a.BatchAnswer.Prompt, false)
		if err != nil || strings.Count(prompt, "Be ") != 1 || !strings.Contains(prompt, system) || !strings.Contains(prompt, "Ahoy!") || !strings.Contains(prompt, "And 2+2?") {
			t.Errorf("%q, %v", prompt, err)
		}
	}
}

// TestInOurForm: what Ollama's parser took apart is put together as it was.
func TestInOurForm(t *testing.T) {
	for _, c := range []struct{ ours, thinking, content, want string }{
		{"Paris.", "", "Paris. ", "Paris."},
		{"\n\nParis.", "", "London.", "\n\nLondon."},
		{"so it is\n</think>\n\nParis.", "so it is", "Paris.", "so it is\n</think>\n\nParis."},
		{"<think>\nso it is\n</think>\n\nParis.\n", "so it is", "London.", "<think>\nso it is\n</think>\n\nLondon."},
		{"so it is", "so it", "", "so it\n</think>\n\n"},
		{"<think>\nso</think>Paris.", "no", "Rome.", "<think>\nno\n</think>\n\nRome."},
	} {
		if got := inOurForm(c.ours, c.thinking, c.content); got != c.want {
			t.Errorf("%q beside %q, %q: %q", c.ours, c.thinking, c.content, got)
		}
	}
}

// inMLXForm puts the text model of a release in mlx's form, norms with their 1 and convolutions turned, and
// leaves its head as it is.
func inMLXForm(c checkpointCopy) {
	c.editTensors(func(arrays map[string]raw) {
		for name, a := range arrays {
			switch body := arch.Body(name); {
			case strings.HasSuffix(name, "conv1d.weight"):
				arrays[name] = raw{a.dtype, []int{a.shape[0], a.shape[2], a.shape[1]}, a.data}
			case arch.ZeroCentred(body) && !arch.IsMTP(body):
				a.editBF16(func(v []float32) {
					for i := range v {
						v[i]++
					}
				})
			}
		}
	})
}

// TestRealOllama asks the program that QIMPORT_OLLAMA is the path of, which serves a store with a model in
// each format, and with one whose head lies beside a converted text model: Ollama adds 1 to all norms of a
// model with a head, so that all are stored without it.
func TestRealOllama(t *testing.T) {
	program := os.Getenv("QIMPORT_OLLAMA")
	if program == "" {
		t.Skip("QIMPORT_OLLAMA is not the path of an ollama")
	}
	needMLX(t)
	formats := map[string]quant.Format{"bf16": {}, "nvfp4": quant.FormatNVFP4, "mxfp8": quant.FormatMXFP8, "int4": quant.FormatInt4}
	for name, asked := range formats {
		t.Run(name, func(t *testing.T) { asksOllama(t, program, dense, asked, DefaultCases()) })
	}
	headed := copyCheckpoint(t, filepath.Join(fixtures(t), "tiny-qwen3.5-vl"))
	inMLXForm(headed)
	for name, asked := range formats {
		t.Run("head beside converted/"+name, func(t *testing.T) {
			src, err := source.OpenDir(headed.dir)
			if err != nil {
				t.Fatal(err)
			}
			body, head := src.NormForm(), src.Inventory().HeadForm
			src.Close()
			if body != arch.NormsShifted || head != arch.NormsRaw {
				t.Fatalf("norms of the text model are %s, of the head %s", body, head)
			}
			target, log := asksOllama(t, program, headed.dir, asked, unexpected(DefaultCases()))
			holdDrafts(t, log)
			stored, err := target.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer stored.Close()
			if inv := stored.Inventory(); !inv.HasHead() || inv.NormForm != arch.NormsRaw || inv.HeadForm != arch.NormsRaw {
				t.Errorf("stored: a head %v, norms %s, of the head %s", inv.HasHead(), inv.NormForm, inv.HeadForm)
			}
		})
	}
}

// asksOllama imports a checkpoint and holds the program's answers to ours, word for word.
func asksOllama(t *testing.T, program, dir string, asked quant.Format, cases []Case) (Target, string) {
	t.Helper()
	store, name := importInto(t, dir, recipe.Recipe{Policy: recipe.Ollama, Type: asked})
	target, err := Stored(store, name)
	if err != nil {
		t.Fatal(err)
	}
	server, log := startOllama(t, program, store.Root())
	r := judge(t, target, Options{Level: report.Smoke, Lengths: []int{1}, Cases: cases, Ollama: server})
	if !r.Passed || r.Ollama == nil || len(r.Ollama.Answers) != len(cases) {
		t.Fatalf("failed %v, not run %v", ended(r, report.Failed), ended(r, report.NotRun))
	}
	for _, a := range r.Ollama.Answers {
		if t.Logf("%+v", a); !a.Same {
			t.Errorf("%q: other words", a.Prompt)
		}
	}
	return target, log
}

// unexpected are cases of which any answer will do, if it is the same here and there.
func unexpected(cases []Case) []Case {
	for i := range cases {
		cases[i].Expect = ""
	}
	return cases
}

// holdDrafts demands that of what the head guessed for Ollama at least half was right, as its log counts it. One
// whose norms it had read in the wrong form would guess at random.
func holdDrafts(t *testing.T, log string) {
	t.Helper()
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	drafted, accepted := 0, 0
	for _, found := range regexp.MustCompile(`drafted=(\d+) accepted=(\d+)`).FindAllStringSubmatch(string(b), -1) {
		d, err := strconv.Atoi(found[1])
		a, err2 := strconv.Atoi(found[2])
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		drafted, accepted = drafted+d, accepted+a
	}
	t.Logf("the head guessed %d tokens for Ollama, and %d of them were right", drafted, accepted)
	if drafted == 0 || 2*accepted < drafted {
		t.Errorf("Ollama's log says %d guessed, %d accepted", drafted, accepted)
	}
}

// startOllama serves a store until the test ends, and writes to the file log.
func startOllama(t *testing.T, program, store string) (p *peer.Peer, logged string) {
	t.Helper()
	const address = "127.0.0.1:11599"
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "serve")
	command.Env = append(os.Environ(), "OLLAMA_MODELS="+store, "OLLAMA_HOST="+address, "OLLAMA_NOPRUNE=1", "HOME="+t.TempDir())
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		_ = command.Wait()
		_ = log.Close()
		if b, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("%s", b)
		}
	})
	p = peerAt(t, address)
	for range 100 {
		if _, err = p.Version(t.Context()); err == nil {
			return p, log.Name()
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal(err)
	return nil, ""
}
