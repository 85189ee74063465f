package source

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"qimport/arch"
	"qimport/quant"
)

// TestOracle holds what is decoded of checkpoints that the real tools made to what their own libraries
// decode, number by number. The scripts in oracle/ made both.
func TestOracle(t *testing.T) {
	found, err := filepath.Glob("testdata/oracle/*/oracle.json")
	if err != nil || len(found) == 0 {
		t.Fatalf("there are no checkpoints of the oracles: %v", err)
	}
	for _, path := range found {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			var oracle struct {
				Weights map[string]string // SHA-256 of each matrix in float32
			}
			b, err := os.ReadFile(path)
			if err == nil {
				err = json.Unmarshal(b, &oracle)
			}
			if err != nil || len(oracle.Weights) == 0 {
				t.Fatalf("%s: %v", path, err)
			}
			s, err := OpenDir(filepath.Dir(path))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for name, want := range oracle.Weights {
				if got := decodedSum(t, s, name); got != want {
					t.Errorf("%s: the decoded numbers are not those of the oracle", name)
				}
			}
		})
	}
}

// decodedSum is the SHA-256 of a matrix in float32, or of one expert's.
func decodedSum(t *testing.T, s *Source, name string) string {
	t.Helper()
	piece := 0
	if stack, e, ok := arch.Single(name); ok {
		name, piece = stack, e
	}
	inv := s.Inventory()
	x, ok := inv.Tensor(name)
	if !ok {
		t.Fatalf("there is no tensor %s", name)
	}
	q, err := s.LoadPiece(x, piece)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, quant.Elements(q.Shape))
	if err := q.Decode(values, 0); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(quant.Float32s(values).Data)
	return hex.EncodeToString(sum[:])
}
