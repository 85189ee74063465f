package layer

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"qimport/quant"
)

// TestMetalSource runs the Metal kernel's source on the CPU, through a C++ compiler and stand-ins
// for what Metal adds to C++, and holds it to the definition.
func TestMetalSource(t *testing.T) {
	compiler, err := exec.LookPath("c++")
	if err != nil {
		t.Skip("no C++ compiler")
	}
	for _, z := range []DeltaSizes{
		{KeyHeads: 2, ValueHeads: 4, KeyDim: 32, ValueDim: 48, Kernel: 4},
		{KeyHeads: 3, ValueHeads: 3, KeyDim: 24, ValueDim: 20, Kernel: 3},
	} {
		program := filepath.Join(t.TempDir(), "metal_on_cpu")
		sizes := fmt.Sprintf("-DSIZES=%d,%d,%d,%d,%d,%d,%d", z.KeyHeads, z.ValueHeads, z.KeyDim, z.ValueDim, z.Kernel, fusedRows, z.fusedThreads())
		out, err := exec.Command(compiler, "-std=c++20", "-O1", "-pthread", "-Wall", "-Werror", sizes, fmt.Sprintf("-DEPSILON=%gf", mixEps),
			"-o", program, "testdata/metal_on_cpu.cpp").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, c := range deltaCases {
			for _, tokens := range []int{1, 2, 7} {
				t.Run(fmt.Sprintf("%dx%d/%s/%d", z.ValueDim, z.KeyDim, c.name, tokens), func(t *testing.T) {
					c.mixed(z, quant.F32, 2, tokens).checkProgram(t, program)
				})
			}
		}
	}
}

// checkProgram gives the data to a program and compares what it answers.
func (d mixData) checkProgram(t *testing.T, program string) {
	t.Helper()
	var in bytes.Buffer
	for _, f := range [][]float32{d.x, d.past, d.state, d.taps, d.rate, d.bias, d.weight} {
		in.Write(floatBytes(f))
	}
	cmd := exec.Command(program, strconv.Itoa(d.batch), strconv.Itoa(d.tokens))
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	wantY, wantState := d.reference()
	got := wide(floats(out))
	if want := len(wantY) + len(d.past) + len(wantState); len(got) != want {
		t.Fatalf("%d values came back, not %d", len(got), want)
	}
	y, past, state := got[:len(wantY)], got[len(wantY):len(wantY)+len(d.past)], got[len(wantY)+len(d.past):]
	if at, diff := worst(y, wantY); !(diff <= 1e-4) {
		t.Errorf("y %d differs by %.2g", at, diff)
	}
	if at, diff := worst(state, wantState); !(diff <= 1e-4) {
		t.Errorf("state %d differs by %.2g", at, diff)
	}
	d.checkPast(t, past)
}
