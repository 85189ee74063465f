package report

import (
	"bytes"
	"strings"
	"testing"
)

// TestPictures: the page holds what is a picture, and of anything else its name.
func TestPictures(t *testing.T) {
	r := Report{Answers: []Answer{{Prompt: "What is it?", Pictures: []Picture{
		{Name: "a.png", Data: []byte("\x89PNG\r\n\x1a\nrest")},
		{Name: "b.svg", Data: []byte("<svg onload='x()'/>")},
		{Name: "c<.png"},
	}}}}
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<img src="data:image/png;base64,iVBORw0KGgpyZXN0" alt="a.png">`, "[b.svg]", "[c&lt;.png]"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if strings.Count(b.String(), "<img ") != 1 || strings.Contains(b.String(), "onload") {
		t.Error("the page draws what is no picture")
	}
}
