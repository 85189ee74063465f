package source

import (
	"reflect"
	"testing"
)

// TestPieceArrays: whoever walks over a piece's arrays, as TakeHead does, misses none that a Piece may have.
func TestPieceArrays(t *testing.T) {
	var p Piece
	listed := map[*Part]bool{}
	for _, part := range p.arrays() {
		listed[part] = true
	}
	v := reflect.ValueOf(&p).Elem()
	for i := range v.NumField() {
		if part, ok := v.Field(i).Addr().Interface().(*Part); ok && !listed[part] {
			t.Errorf("%s is not among the arrays", v.Type().Field(i).Name)
		}
	}
}
