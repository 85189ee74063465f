package main

import (
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
)

// pool is 64 MiB of random values, read at a moving offset.
type pool struct {
	bytes []byte
	at    int
}

// pools has one for each dtype that was written.
type pools map[string]*pool

// write writes the values of t.
func (p pools) write(w io.Writer, t tensor) error {
	if t.ramp {
		return writeRamp(w, t)
	}
	if p[t.kind()] == nil {
		p[t.kind()] = newPool(t.kind())
	}
	return p[t.kind()].write(w, t.bytes())
}

func newPool(dtype string) *pool {
	p := &pool{bytes: make([]byte, 64<<20)}
	r := rand.New(rand.NewPCG(1, 2))
	switch dtype {
	case "BF16": // normals with a deviation of 0.02
		for i := 0; i < len(p.bytes); i += 2 {
			binary.LittleEndian.PutUint16(p.bytes[i:], bfloat16(float32(r.NormFloat64()*0.02)))
		}
	case "U32": // eight codes of e2m1, whose deviation is 2.9
		for i := 0; i < len(p.bytes); i += 4 {
			binary.LittleEndian.PutUint32(p.bytes[i:], r.Uint32())
		}
	case "U8": // scales in e4m3, from 2 to 5 times 1/512: with the codes' deviation about 0.02
		for i := range p.bytes {
			p.bytes[i] = byte(2 + r.IntN(4))
		}
	}
	return p
}

func (p *pool) write(w io.Writer, bytes int64) error {
	for bytes > 0 {
		n := int(min(bytes, int64(len(p.bytes)-p.at)))
		if _, err := w.Write(p.bytes[p.at : p.at+n]); err != nil {
			return err
		}
		bytes -= int64(n)
		p.at = (p.at + n + 8200) % len(p.bytes) // a stride that no tensor's size divides
	}
	return nil
}

// writeRamp writes values from 0.1 to 1, which A_log and norms can bear.
func writeRamp(w io.Writer, t tensor) error {
	n := t.elements()
	var b []byte
	for i := range n {
		v := 0.1 + 0.9*float32(i)/float32(n)
		if t.kind() == "F32" {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		} else {
			b = binary.LittleEndian.AppendUint16(b, bfloat16(v))
		}
	}
	_, err := w.Write(b)
	return err
}

// bfloat16 cuts v short.
func bfloat16(v float32) uint16 { return uint16(math.Float32bits(v) >> 16) }
