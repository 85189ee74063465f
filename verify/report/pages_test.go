package report

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pageKind is a kind of page, with what is drawn on it.
type pageKind struct {
	write                 func(io.Writer) error
	lines, dots, pictures int
	sheets                int // of paper, at most
}

// pageKinds are one of each, with something of everything.
func pageKinds(t *testing.T) map[string]pageKind {
	t.Helper()
	r, c, tuned := sample(), Compare(variants()), tuning()
	r.Answers = append(r.Answers, Answer{Prompt: "What is in the picture?", Text: "A square.", Tokens: 3, Stop: "eos",
		Pictures: []Picture{{Name: "square.png", Data: square(t)}, {Name: "gone.png"}}})
	return map[string]pageKind{
		"report":  {r.WriteHTML, 4, 2, 1, 6},
		"compare": {c.WriteHTML, 0, 2, 0, 4},
		"tune":    {tuned.WriteHTML, 1, 3, 0, 3},
	}
}

// square is a picture of one colour.
func square(t *testing.T) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for i := range 64 * 64 {
		img.Set(i%64, i/64, color.RGBA{200, 60, 40, 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func written(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b strings.Builder
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPages looks at every kind of page, narrow and wide, light and dark, on a screen and on paper: it is as wide
// as its window, what is drawn is within its drawing and can be told from its ground, and axe finds nothing.
func TestPages(t *testing.T) {
	browser(t)
	for name, kind := range pageKinds(t) {
		page, seen := written(t, kind.write), map[string]facts{}
		for _, v := range views() {
			t.Run(name+", "+v.name, func(t *testing.T) {
				f, shot := look(t, page, v)
				for _, what := range f.Found {
					t.Error(what)
				}
				if f.Lines != kind.lines || f.Dots != kind.dots || f.Pictures != kind.pictures {
					t.Errorf("%d lines, %d dots and %d pictures are drawn, want %d, %d and %d", f.Lines, f.Dots, f.Pictures, kind.lines, kind.dots, kind.pictures)
				}
				if f.Height > frameHeight {
					t.Errorf("the page is %d high, only %d of it are looked at", f.Height, frameHeight)
				}
				if !v.printed {
					seeColours(t, shot, image.Rect(0, 0, v.width, min(f.Height, frameHeight)), v.dark)
				}
				seen[v.name] = f
			})
		}
		if a, b := seen["desktop, light"], seen["desktop, dark"]; a.Ground == b.Ground || a.Ink == b.Ink {
			t.Errorf("%s: light and dark are the same: %s on %s", name, b.Ink, b.Ground)
		}
		if f := seen["paper of somebody who reads in the dark"]; f.Ground != "rgb(255, 255, 255)" {
			t.Errorf("%s: paper is to be printed %s", name, f.Ground)
		}
	}
	if axeFile(t) == "" {
		t.Run("axe", func(t *testing.T) { t.Skip("axe-core did not look: verify/report/axe.sh fetches it") })
	}
}

// seeColours holds a picture to having text on a ground that is dark or light.
func seeColours(t *testing.T, shot string, part image.Rectangle, wantDark bool) {
	t.Helper()
	f, err := os.Open(shot)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	colours, dark := map[[3]uint32]bool{}, 0
	part = part.Intersect(img.Bounds())
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			colours[[3]uint32{r, g, b}] = true
			if r+g+b < 3*0x6000 {
				dark++
			}
		}
	}
	if len(colours) < 50 {
		t.Errorf("%d colours: the page is blank, or has no text", len(colours))
	}
	if got := 2*dark > part.Dx()*part.Dy(); got != wantDark {
		t.Errorf("the ground is dark: %v, want %v", got, wantDark)
	}
}

// TestPagesPrinted prints every kind of page.
func TestPagesPrinted(t *testing.T) {
	browser(t)
	for name, kind := range pageKinds(t) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file, paper := filepath.Join(dir, "page.html"), filepath.Join(dir, "page.pdf")
			if err := os.WriteFile(file, []byte(written(t, kind.write)), 0o600); err != nil {
				t.Fatal(err)
			}
			browse(t, file, true, "--no-pdf-header-footer", "--print-to-pdf="+paper)
			b, err := os.ReadFile(paper)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(regexp.MustCompile(`/Type /Page\b[^s]`).FindAll(b, -1)); n == 0 || n > kind.sheets {
				t.Errorf("it takes %d sheets, at most %d are due", n, kind.sheets)
			}
		})
	}
}

// TestPageFaults: what the looking is for is found where it is wrong.
func TestPageFaults(t *testing.T) {
	browser(t)
	const head = `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>x</title><body style="background:#fff"><main><h1>x</h1>`
	faults := map[string]string{
		`<div style="width:900px">wide</div>`:                                            "the page is 9",
		`<svg width="99" height="99"><circle cx="99" cy="50" r="20"/></svg>`:             "sticks out",
		`<svg width="99" height="99"><text x="9" y="50" fill="#aaa">pale</text></svg>`:   "contrast of 2.3",
		`<div class="scroll" style="overflow:auto"><p style="width:800px">cut</p></div>`: "on paper",
	}
	if axeFile(t) != "" {
		faults[`<p style="color:#aaa">pale</p>`] = "axe, color-contrast"
		faults[`<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">`] = "axe, image-alt"
	}
	var bodies strings.Builder
	for body := range faults {
		bodies.WriteString(body)
	}
	f, _ := look(t, head+bodies.String()+"</main>", view{"phone", 390, false, true})
	for body, want := range faults {
		if !strings.Contains(strings.Join(f.Found, "\n"), want) {
			t.Errorf("%s: %q, want %s", body, f.Found, want)
		}
	}
	if f, _ := look(t, head+"</main>", view{"phone", 390, false, true}); len(f.Found) > 0 {
		t.Errorf("a page without fault: %q", f.Found)
	}
}
