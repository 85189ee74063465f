package qimport

import (
	"cmp"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"qimport/internal/killtest"
	"qimport/manifest"
	"qimport/quant"
)

// What a child process imports: it is to be killed, or to lose its source.
const (
	childStore  = "QIMPORT_TEST_STORE"
	childSource = "QIMPORT_TEST_SOURCE"
	childType   = "QIMPORT_TEST_TYPE"
	childPart   = "QIMPORT_TEST_PART"
	childBatch  = "QIMPORT_TEST_BATCH"
	// Where a child calibrates to.
	childCalibration = "QIMPORT_TEST_CALIBRATION"
)

// TestMain makes the child of TestKilledAnywhere, TestPartsKilled, TestBatchOnePassKilled, TestCalibrateKilled and
// of TestSourceCutWhileRead.
func TestMain(m *testing.M) {
	if out := os.Getenv(childCalibration); out != "" {
		if _, err := Calibrate(context.Background(), CalibrateOptions{Source: dense, Out: out, Tokens: 300, Full: true}); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	root := os.Getenv(childStore)
	if root == "" {
		os.Exit(m.Run())
	}
	store, err := manifest.Open(root)
	switch source := os.Getenv(childBatch); {
	case err != nil:
	case source != "":
		_, err = Batch(context.Background(), store, variantsOf(source, quant.FormatInt8, quant.FormatMXFP8, quant.FormatNVFP4), BatchOptions{})
	default:
		_, err = Import(context.Background(), store, childOptions())
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

// child is a process that imports into the store at root, what the variables of env say.
func child(root string, env ...string) *exec.Cmd {
	c := exec.Command(os.Args[0])
	c.Env = append(append(os.Environ(), childStore+"="+root), env...)
	return c
}

func childOptions() ImportOptions {
	format, err := quant.ParseFormat(cmp.Or(os.Getenv(childType), "nvfp4"))
	if err != nil {
		panic(err)
	}
	o := unverified(cmp.Or(os.Getenv(childSource), dense), format)
	if o.Part, err = ParsePart(os.Getenv(childPart)); err != nil {
		panic(err)
	}
	return o
}

// TestKilledAnywhere kills imports over a name that is there already, at moments of chance: the name
// points at the old model or at the new one, both whole, and the same import then goes through.
func TestKilledAnywhere(t *testing.T) {
	root := t.TempDir()
	store := openStore(t, root)
	old, err := Import(t.Context(), store, unverified(dense, quant.FormatMXFP8))
	if err != nil {
		t.Fatal(err)
	}
	chance := rand.New(rand.NewPCG(5, 7))
	kills := 25
	if testing.Short() {
		kills = 5
	}
	killed := 0
	span := killtest.Span(t, child(t.TempDir()))
	for i, moment := range killtest.Moments(span, kills, chance) {
		if killtest.Kill(t, child(root), moment) {
			killed++
		}
		e, err := store.Lookup(old.Name)
		if err != nil {
			t.Fatalf("kill %d: %v", i, err)
		}
		for _, l := range e.Manifest.Blobs() {
			if info, err := os.Stat(store.Blob(l.Digest)); err != nil || info.Size() != l.Size {
				t.Fatalf("kill %d: blob %s of %s is not whole: %v", i, l.Digest, l.Name, err)
			}
		}
		if e.Digest != old.Manifest { // it went through: again from the old name
			if err := store.Copy(t.Context(), e.Name, mustName(t, "new")); err != nil {
				t.Fatal(err)
			}
			if _, err := Import(t.Context(), store, unverified(dense, quant.FormatMXFP8)); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Remove(t.Context(), mustName(t, "new")); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(store.IndexPath()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if killed == 0 {
		t.Error("no import was killed on its way")
	}
	r, err := Import(t.Context(), store, unverified(dense, quant.FormatNVFP4))
	if err != nil || !r.Published {
		t.Fatalf("after %d kills: %v", killed, err)
	}
	if found, err := store.Check(t.Context(), nil); err != nil || found.Err() != nil {
		t.Errorf("%v, %v", err, found.Err())
	}
}

func mustName(t *testing.T, s string) manifest.Name {
	t.Helper()
	n, err := manifest.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
