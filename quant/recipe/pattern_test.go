package recipe

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"qimport/quant"
)

func TestPatternMatches(t *testing.T) {
	const (
		release = "model.language_model.layers.3.mlp.down_proj.weight"
		mlx     = "language_model.model.layers.3.mlp.down_proj.weight"
		plain   = "model.layers.3.mlp.down_proj.weight"
		head    = "language_model.lm_head.weight"
		vision  = "model.visual.blocks.3.mlp.linear_fc1.weight"
		mtp     = "mtp.layers.0.mlp.down_proj.weight"
		stack   = "model.language_model.layers.11.mlp.experts.down_proj"
	)
	all := []string{release, mlx, plain, head, vision, mtp, stack}
	text := []string{release, mlx, plain}
	tests := []struct {
		pattern string
		want    []string
	}{
		{release, text},
		{"language_model.model.layers.3.mlp.down_proj", text},
		{"layers.3.mlp.down_proj", text},
		{"layers.3.mlp.down_proj.weight", text},
		{"layers.{0..3}.mlp.*", text},
		{"layers.{4..9}.mlp.*", nil},
		{"layers.{1,3}.**", text},
		{"layers.?.mlp.down_proj", text},
		{"layers.*.down_proj", nil},
		{"**.down_proj", []string{release, mlx, plain, mtp, stack}},
		{"layers.{9..12,20}.**", []string{stack}},
		{"lm_head", []string{head}},
		{"model.lm_head", []string{head}},
		{"*", []string{head}},
		{"**.language_model.**", []string{release, mlx, plain, head, stack}},
		{"language_model.**", []string{release, mlx, plain, head, stack}},
		{"visual.**", []string{vision}},
		{"vision_tower.**", nil},
		{"mtp.**", []string{mtp}},
		{"**", all},
		{"re:down_proj$", []string{release, mlx, plain, mtp, stack}},
		{`re:^layers\.[0-9]\.`, text},
		{"re:DOWN", nil},
	}
	for _, tt := range tests {
		p, err := parsePattern(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		var got []string
		for _, n := range all {
			if p.matchesAny(spellings(n)) {
				got = append(got, n)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s matches %q, want %q", tt.pattern, got, tt.want)
		}
	}
}

func TestParseOverrideRefuses(t *testing.T) {
	tests := []struct{ text, says string }{
		{"**.down_proj", "not PATTERN=TYPE"},
		{"=mxfp8", "pattern is empty"},
		{"re:=mxfp8", "re: is empty"},
		{"layers.{0,1=mxfp8", "unclosed"},
		{"re:layers.(=mxfp8", "missing closing )"},
		{"layers.{9..3}.*=mxfp8", "must rise"},
		{"layers.{0..99999}.*=mxfp8", "at most 4096"},
		{"**.down_proj=", "no such format"},
		{"**.down_proj=fp4", "no such format"},
		{"**.down_proj=affine:7", "2, 3, 4, 5, 6 or 8 bits"},
		{"**.down_proj=affine:4:16", "groups of 32, 64 or 128"},
	}
	for _, tt := range tests {
		_, err := ParseOverride(tt.text)
		if !errors.Is(err, ErrRecipe) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("ParseOverride(%q) says %v, want %q", tt.text, err, tt.says)
		}
	}
}

func TestParseOverrideDividesAtTheLastEqualsSign(t *testing.T) {
	got, err := ParseOverride("re:a=b$=affine:6:32")
	want := Rule{Pattern: "re:a=b$", Format: quant.AffineFormat(6, 32), Origin: "--override"}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if got.String() != "--override 're:a=b$=affine:6:32'" {
		t.Errorf("prints as %s", got)
	}
}

func FuzzParseOverride(f *testing.F) {
	for _, s := range []string{"**.down_proj=mxfp8", "layers.{0..3}.*=bf16", "re:^a(b|c)=int4", "{a,{b,c}}=keep", "[!a-c]=f32", `\{=int8`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rule, err := ParseOverride(s)
		if err != nil {
			if !errors.Is(err, ErrRecipe) {
				t.Fatalf("rejected without saying so: %v", err)
			}
			return
		}
		again, err := ParseOverride(rule.Pattern + "=" + rule.Format.String())
		if err != nil || again != rule {
			t.Fatalf("%+v reads back as %+v, %v", rule, again, err)
		}
		p, err := parsePattern(rule.Pattern)
		if err != nil {
			t.Fatal(err)
		}
		p.matchesAny(spellings("model.layers.3.mlp.down_proj.weight"))
	})
}

// TestPatternsAreFast: no pattern takes long, whatever it is and whatever the name.
func TestPatternsAreFast(t *testing.T) {
	name := strings.Repeat("a", 200)
	for _, text := range []string{
		strings.Repeat("{a,aa}", 100), strings.Repeat("*a", 100) + "*c*", strings.Repeat("**a", 100) + "b", strings.Repeat("{*,**}a", 50) + "c*",
		strings.Repeat("**[ab]", 100) + "c**", strings.Repeat("{a,{a,", 50) + "b" + strings.Repeat("}}", 50), "{0..4095}{0..4095}",
		"re:(a*)*(a|aa)+$b", "re:(a{100}){100}", "re:" + strings.Repeat("(a|", 500) + strings.Repeat(")", 500), strings.Repeat("a", 1<<20), "re:" + strings.Repeat("a", 1<<20),
	} {
		start := time.Now()
		if p, err := parsePattern(text); err == nil {
			p.match(name)
		} else if len(err.Error()) > 2*maxPattern {
			t.Errorf("%.30s: an error of %d bytes", text, len(err.Error()))
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%.30s: %v", text, took)
		}
	}
}

// TestGlobSets: sets and escapes.
func TestGlobSets(t *testing.T) {
	for _, c := range []struct {
		glob, name string
		want       bool
	}{
		{"l.[ab]", "l.a", true}, {"l.[ab]", "l.c", false}, {"l.[!ab]", "l.c", true}, {"l.[0-3]", "l.2", true}, {"l.[0-3]", "l.4", false},
		{`l.\*`, "l.*", true}, {`l.\*`, "l.a", false}, {"l.{a,b{c,d}}", "l.bd", true}, {"a,b", "a,b", true}, {"a+", "a+", true}, {"a+", "aa", false},
	} {
		p, err := parsePattern(c.glob)
		if err != nil || p.match(c.name) != c.want {
			t.Errorf("%s and %s: %v", c.glob, c.name, err)
		}
	}
}
