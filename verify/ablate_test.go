package verify

import "testing"

func TestParseAblate(t *testing.T) {
	if a, err := ParseAblate("State=BF16"); err != nil || a != AblateState {
		t.Errorf("%s, %v", a, err)
	}
	if _, err := ParseAblate("conv=bf16"); err == nil {
		t.Error("conv=bf16 can be ablated")
	}
}
