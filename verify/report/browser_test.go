package report

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// browser finds a headless browser, or skips: QIMPORT_BROWSER names one, else the usual names.
func browser(t *testing.T) string {
	t.Helper()
	names := []string{os.Getenv("QIMPORT_BROWSER"), "chromium-headless-shell", "chromium", "google-chrome", "chrome"}
	for _, name := range names {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Skip("no headless browser here: name one with QIMPORT_BROWSER")
	return ""
}

// browse runs the browser over a page of that width and returns its standard output.
func browse(t *testing.T, page string, width int, dark bool, args ...string) []byte {
	t.Helper()
	scheme := "preferredColorScheme=1"
	if dark {
		scheme = "preferredColorScheme=0"
	}
	args = append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--blink-settings=" + scheme,
		fmt.Sprintf("--window-size=%d,1600", width)}, args...)
	out, err := exec.CommandContext(t.Context(), browser(t), append(args, "file://"+page)...).Output()
	if err != nil {
		t.Fatalf("browser: %v", err)
	}
	return out
}

// writePage puts the sample report into a file, with more at its end.
func writePage(t *testing.T, more string) string {
	t.Helper()
	r := sample()
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, append(b.Bytes(), more...), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPageInBrowser(t *testing.T) {
	browser(t)
	page := writePage(t, "")
	for _, tt := range []struct {
		name  string
		width int
		dark  bool
	}{{"desktop, light", 1000, false}, {"desktop, dark", 1000, true}, {"phone, light", 390, false}, {"phone, dark", 390, true}} {
		t.Run(tt.name, func(t *testing.T) {
			shot := filepath.Join(t.TempDir(), "shot.png")
			browse(t, page, tt.width, tt.dark, "--screenshot="+shot)
			f, err := os.Open(shot)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			img, err := png.Decode(f)
			if err != nil {
				t.Fatal(err)
			}
			colours, dark := look(img)
			if colours < 50 {
				t.Errorf("%d colours: the page is blank, or has no text", colours)
			}
			if dark != tt.dark {
				t.Errorf("the ground is dark: %v, want %v", dark, tt.dark)
			}
		})
	}
}

// look counts an image's colours and says whether most of it is dark.
func look(img image.Image) (colours int, dark bool) {
	seen := map[[3]uint32]int{}
	pixels, darkOnes := 0, 0
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			seen[[3]uint32{r, g, b}]++
			pixels++
			if r+g+b < 3*0x6000 {
				darkOnes++
			}
		}
	}
	return len(seen), 2*darkOnes > pixels
}

// On a phone nothing may stick out to the right, and the chart must have its lines.
func TestPageFitsPhone(t *testing.T) {
	browser(t)
	const script = `<script>document.title = "width " + document.documentElement.scrollWidth + " of " + innerWidth + ", lines " +
[...document.querySelectorAll("polyline")].filter(p => p.getBoundingClientRect().width > 100).length</script>`
	dom := browse(t, writePage(t, script), 390, false, "--dump-dom")
	m := regexp.MustCompile(`<title>width (\d+) of (\d+), lines (\d+)</title>`).FindSubmatch(dom)
	if m == nil {
		t.Fatalf("the script did not run: %.500s", dom)
	}
	if !bytes.Equal(m[1], m[2]) {
		t.Errorf("the page is %s wide in a window of %s", m[1], m[2])
	}
	if string(m[3]) != "4" {
		t.Errorf("%s lines are drawn, want 4", m[3])
	}
}
