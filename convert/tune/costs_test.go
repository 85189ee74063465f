package tune

import (
	"bytes"
	"errors"
	"testing"
)

func TestReadCostsRefuses(t *testing.T) {
	for _, text := range []string{
		"", "{}", `{"schema":2}`, `{"schema":1} 1`, `{"schema":1,"costs":[{"group":"a","format":"nvfp4","kl":-1}]}`,
		`{"schema":1,"costs":[{"group":"a","format":"nvfp4","kl":1e999}]}`, `{"schema":1,"other":1}`, `[]`,
	} {
		if _, err := ReadCosts([]byte(text)); !errors.Is(err, ErrCosts) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzReadCosts(f *testing.F) {
	c := NewCosts("x")
	c.Set("layers.0.mlp.down_proj", "nvfp4", 1e-3)
	c.Set("layers.0.mlp.down_proj", "int8", 0)
	f.Add(c.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ReadCosts(b)
		if err != nil {
			if !errors.Is(err, ErrCosts) {
				t.Fatalf("rejected without saying so: %v", err)
			}
			return
		}
		text := c.Append(nil)
		again, err := ReadCosts(text)
		if err != nil || !bytes.Equal(again.Append(nil), text) || again.Of() != c.Of() {
			t.Fatalf("what was read is written as %s, %v", text, err)
		}
	})
}
