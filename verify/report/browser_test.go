package report

import (
	"encoding/json"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// browser finds a headless browser, or skips: QIMPORT_BROWSER names one, else the usual names.
func browser(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes a while; pages are looked at without -short")
	}
	if name := os.Getenv("QIMPORT_BROWSER"); name != "" {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("QIMPORT_BROWSER: %v", err)
		}
		return path
	}
	for _, name := range []string{"chromium-headless-shell", "chromium", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no headless browser here: name one with QIMPORT_BROWSER")
	return ""
}

// view is how somebody looks at a page.
type view struct {
	name    string
	width   int // of the window, or of paper between its margins, in CSS pixels
	dark    bool
	printed bool // laid out for paper
}

// views are all that a page is looked at in. A4 has 718 pixels between the browser's margins.
func views() []view {
	return []view{
		{"desktop, light", 1000, false, false}, {"desktop, dark", 1000, true, false},
		{"phone, light", 390, false, false}, {"phone, dark", 390, true, false},
		{"paper of somebody who reads in the dark", 718, true, true},
	}
}

// facts are what testdata/facts.js says of a page.
type facts struct {
	Found                         []string // what is wrong
	Ground, Ink                   string   // the body's colours
	Height, Lines, Dots, Pictures int
	Axe                           string // its version, if it looked
}

// frameHeight is more than any page of the tests has.
const frameHeight = 6000

// frame is a page around the one that is looked at: a browser's window has a least width, a frame has none.
const frame = `<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>{}</title>
<body style="margin:0"><iframe src="page.html" style="border:0;display:block;width:%dpx;height:%dpx"></iframe>
<script>onmessage = (e) => { document.title = e.data }</script>`

// look opens a page, says what its facts are, and leaves a picture of it at shot.
func look(t *testing.T, page string, v view) (f facts, shot string) {
	t.Helper()
	dir := t.TempDir()
	script, err := os.ReadFile("testdata/facts.js")
	if err != nil {
		t.Fatal(err)
	}
	more := fmt.Sprintf("<script>const printed = %v</script>", v.printed)
	if axe := axeFile(t); axe != "" {
		more += `<script src="` + axe + `"></script>`
	}
	shot = filepath.Join(dir, "shot.png")
	for name, text := range map[string]string{
		"page.html":  page + more + "<script>" + string(script) + "</script>",
		"frame.html": fmt.Sprintf(frame, v.width, frameHeight),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dom := browse(t, filepath.Join(dir, "frame.html"), v.dark, "--dump-dom", "--screenshot="+shot)
	m := regexp.MustCompile(`<title>(.*?)</title>`).FindSubmatch(dom)
	if m == nil || json.Unmarshal([]byte(html.UnescapeString(string(m[1]))), &f) != nil || f.Height == 0 {
		t.Fatalf("the script said nothing: %v, %.500s", f.Found, dom)
	}
	return f, shot
}

// browse runs the browser over a file and returns its standard output.
func browse(t *testing.T, file string, dark bool, args ...string) []byte {
	t.Helper()
	scheme := "preferredColorScheme=1"
	if dark {
		scheme = "preferredColorScheme=0"
	}
	args = append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--allow-file-access-from-files",
		"--user-data-dir=" + t.TempDir(), "--blink-settings=" + scheme, "--virtual-time-budget=30000",
		fmt.Sprintf("--window-size=1000,%d", frameHeight)}, args...)
	out, err := exec.CommandContext(t.Context(), browser(t), append(args, "file://"+file)...).Output()
	if err != nil {
		t.Fatalf("browser: %v", err)
	}
	return out
}

// axeFile is axe-core where axe.sh has put it, else "".
func axeFile(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("../../.tools/axe-*/axe.min.js")
	if err != nil || len(found) == 0 {
		return ""
	}
	path, err := filepath.Abs(found[len(found)-1])
	if err != nil {
		t.Fatal(err)
	}
	return path
}
