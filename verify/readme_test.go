package verify

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"qimport/manifest"
	"qimport/quant"
	"qimport/verify/cost"
	"qimport/verify/report"
)

var update = flag.Bool("update", false, "write the tables of README.md")

// readmeTable holds the rows of a table between a marker and its end to what the code says; -update
// writes them. The markers stand outside of the table, which a comment would end.
func readmeTable(t *testing.T, marker, want string) {
	t.Helper()
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), "<!-- "+marker+" -->\n\n")
	table, after, end := strings.Cut(rest, "\n<!-- end -->")
	lines := strings.SplitAfterN(table, "\n", 3) // the head's two, and the rows
	if !ok || !end || len(lines) != 3 {
		t.Fatalf("README.md has no table %s", marker)
	}
	if *update {
		file := before + "<!-- " + marker + " -->\n\n" + lines[0] + lines[1] + want + "\n<!-- end -->" + after
		if err := os.WriteFile("README.md", []byte(file), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if lines[2] != want {
		t.Errorf("README.md, %s: says\n%swant\n%s", marker, lines[2], want)
	}
}

func TestReadmeFaults(t *testing.T) {
	var b bytes.Buffer
	for _, f := range slices.Concat(faults(), towerFaults(), deepstackFaults(), headFaults()) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", f.name, code(f.smoke), code(f.quality))
	}
	b.WriteString("| a blob's bit flipped, a blob truncated, a blob missing | `blobs.digests` | |\n")
	readmeTable(t, "faults", b.String())
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

func TestReadmeLimits(t *testing.T) {
	rows := []struct {
		name   string
		format quant.Format
	}{
		{"as the source", quant.FormatF32}, {"", quant.FormatF16}, {"", quant.FormatBF16}, {"", quant.FormatInt8}, {"", quant.FormatMXFP8},
		{"", quant.AffineFormat(6, 64)}, {"", quant.AffineFormat(5, 64)}, {"", quant.FormatNVFP4}, {"", quant.FormatInt4},
		{"", quant.FormatMXFP4}, {"", quant.AffineFormat(3, 64)}, {"", quant.AffineFormat(2, 64)},
	}
	var out bytes.Buffer
	for _, row := range rows {
		b, err := cost.BoundsOf(row.format)
		if err != nil {
			t.Fatal(err)
		}
		if row.name == "" {
			row.name = row.format.String()
		}
		fmt.Fprintf(&out, "| %s | %g | %g | +%.1f%% | %g |\n", row.name, b.KL, b.Top1, 100*b.Perplexity, b.Tensor)
	}
	readmeTable(t, "limits", out.String())
}

// Every check that a run can name is in the table.
func TestReadmeNamesChecks(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	r := &run{Options: Options{Level: report.Quality, Tokens: 1, Needle: LeastNeedle, Lengths: []int{1}, SaveScores: "x", Ablate: []Ablate{AblateState, AblateDecay}}}
	r.tower, r.shows = true, true
	r.Path = func(manifest.Digest) string { return "" }
	for _, phase := range r.phases() {
		for _, s := range phase() {
			name := strings.NewReplacer("prefill.1", "prefill.N").Replace(s.name)
			if strings.HasPrefix(name, "smoke.answer.") {
				name = "smoke.answer.K"
			}
			if !strings.Contains(string(b), "`"+name+"`") {
				t.Errorf("README.md does not tell of %s", s.name)
			}
		}
	}
	for _, name := range []string{"smoke.mtp", "quality.mtp"} { // of models with a head
		if !strings.Contains(string(b), "`"+name+"`") {
			t.Errorf("README.md does not tell of %s", name)
		}
	}
}
