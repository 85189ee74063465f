package manifest

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	long := strings.Repeat("n", 80)
	for _, c := range []struct{ in, path, short string }{
		{"qwen", "registry.ollama.ai/library/qwen/latest", "qwen:latest"},
		{"qwen3.5:9b-nvfp4", "registry.ollama.ai/library/qwen3.5/9b-nvfp4", "qwen3.5:9b-nvfp4"},
		{"me/qwen", "registry.ollama.ai/me/qwen/latest", "me/qwen:latest"},
		{"hf.co/me/qwen:Q4", "hf.co/me/qwen/Q4", "hf.co/me/qwen:Q4"},
		{"hf.co/library/qwen", "hf.co/library/qwen/latest", "hf.co/library/qwen:latest"},
		{"host:5000/n/m", "host:5000/n/m/latest", "host:5000/n/m:latest"},
		{"host:5000/n/m:t", "host:5000/n/m/t", "host:5000/n/m:t"},
		{"https://host/n/m:t", "host/n/m/t", "host/n/m:t"},
		{"registry.ollama.ai/library/qwen", "registry.ollama.ai/library/qwen/latest", "qwen:latest"},
		{"UP/Case:Tag", "registry.ollama.ai/UP/Case/Tag", "UP/Case:Tag"},
		{"_a/_b:_c", "registry.ollama.ai/_a/_b/_c", "_a/_b:_c"},
		{long + "/" + long + ":" + long, "registry.ollama.ai/" + long + "/" + long + "/" + long, long + "/" + long + ":" + long},
	} {
		n, err := ParseName(c.in)
		if err != nil || filepath.ToSlash(n.path()) != c.path || n.String() != c.short {
			t.Errorf("ParseName(%q) = %s (%s), %v; want %s (%s)", c.in, n, n.path(), err, c.short, c.path)
		}
	}
}

func TestParseNameRefuses(t *testing.T) {
	for _, in := range []string{
		"", ":", ":t", "a:", "/", "a/", "/a", "//a", "a//b", "a/b/c/d", "a/:t",
		".", "..", "../a", "a/..", "../../etc/passwd", "a:..", "a:.", "..:a", "h/../m", "http://m",
		"-a", "a:-t", "-n/m", "n.dot/m", "a b", "a\x00b", "a\nb", "ä", "a:b:c", `a\b`, "a%2f", "~",
		strings.Repeat("n", 81), "a:" + strings.Repeat("n", 81), strings.Repeat("h", 351) + "/n/m",
	} {
		if n, err := ParseName(in); !errors.Is(err, ErrBadName) {
			t.Errorf("ParseName(%q) = %s, %v, want ErrBadName", in, n, err)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"a", "a:b", "n/m:t", "h:1/n/m", "https://h/n/m:t", "../m", "a/../../b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err != nil {
			if !errors.Is(err, ErrBadName) {
				t.Fatalf("rejected without saying so: %v", err)
			}
			return
		}
		if again, err := ParseName(n.String()); err != nil || again != n {
			t.Fatalf("%q became %s, which reads as %s, %v", s, n, again, err)
		}
		if !filepath.IsLocal(n.path()) || strings.Count(n.path(), string(filepath.Separator)) != 3 {
			t.Fatalf("%q lies at %s", s, n.path())
		}
	})
}
