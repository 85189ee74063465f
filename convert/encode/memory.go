package encode

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"qimport/convert/plan"
	"qimport/quant"
)

// memory is the Sink of a tensor that stays in memory.
type memory struct {
	all []byte
	at  int64 // of the next byte
}

// Write puts the next bytes.
func (m *memory) Write(p []byte) (int, error) {
	err := m.WriteAhead(p, m.at)
	m.at += int64(len(p))
	return len(p), err
}

// WriteAhead puts bytes further on.
func (m *memory) WriteAhead(p []byte, offset int64) error {
	if offset+int64(len(p)) > int64(len(m.all)) {
		return fmt.Errorf("byte %d of a tensor of %d", offset+int64(len(p)), len(m.all))
	}
	copy(m.all[offset:], p)
	return nil
}

// Advance passes what was written ahead.
func (m *memory) Advance(n int64) error {
	m.at += n
	return nil
}

// InMemory makes one tensor as it would be written, in memory of its own.
func (e *Engine) InMemory(ctx context.Context, t plan.Tensor) (quant.Tensor, error) {
	places, size := Places{}, int64(0)
	for _, a := range t.Arrays() {
		places[a.Kind] = Place{At: size, Bytes: a.Part.Bytes()}
		size += a.Part.Bytes()
	}
	m := &memory{all: make([]byte, size)}
	if err := e.Tensor(ctx, t.Name, t, places, m); err != nil {
		return quant.Tensor{}, fmt.Errorf("tensor %s: %w", t.Name, err)
	}
	part := func(kind plan.ArrayKind) []byte {
		p := places[kind]
		return m.all[p.At:][:p.Bytes:p.Bytes]
	}
	q := quant.Tensor{Shape: t.Shape, Format: t.Target, ScaleDtype: t.Scale,
		Data: part(plan.WeightArray), Scales: part(plan.ScaleArray), Biases: part(plan.BiasArray)}
	if t.Global {
		q.Global = []float32{math.Float32frombits(binary.LittleEndian.Uint32(part(plan.GlobalArray)))}
	}
	return q, nil
}
