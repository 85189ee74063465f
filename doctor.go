package qimport

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"qimport/convert/hub"
	"qimport/convert/ollama"
	"qimport/runtime/mlx"
	"qimport/verify/peer"
	"qimport/verify/report"
)

// Finding is one thing that Doctor looked at. Passed is NotRun where nothing can be said.
type Finding struct {
	Name   string         `json:"name"`
	Passed report.Outcome `json:"passed"`
	Detail string         `json:"detail"`
}

// Doctor looks whether MLX, BLAS, GPU, store, disk, cache and Ollama are as they should be. host is where an
// Ollama is asked for its version.
func Doctor(ctx context.Context, stores Stores, host string) []Finding {
	found := append(append(examineMLX(), examineStore(stores)...), examineCache())
	return append(found, examineOllama(ctx, stores, host))
}

// examineOllama says which models of the store the Ollama that runs here would not run; where none runs, the
// newest that is known. That it would not is no fault of the machine.
func examineOllama(ctx context.Context, stores Stores, host string) Finding {
	version, who := ollama.Newest, "none runs here; the newest that is known, "+string(ollama.Newest)+","
	if api, err := peer.New(host); err == nil {
		ctx, cancel := context.WithTimeout(ctx, doctorPatience)
		defer cancel()
		if said, err := api.Version(ctx); err == nil {
			if version, err = ollama.ParseVersion(said); err != nil {
				return Finding{"ollama", report.NotRun, api.String() + " says that it is version " + said}
			}
			who = string(version) + " runs here; it"
		}
	}
	store, err := stores()
	if err != nil {
		return Finding{"ollama", report.NotRun, who + " was not asked about models: " + err.Error()}
	}
	answers := JudgeStored(store, version)
	var refused []string
	for _, name := range slices.Sorted(maps.Keys(answers)) {
		if a := answers[name]; !a.Runs {
			refused = append(refused, name+" ("+strings.Join(a.Because, "; ")+")")
		}
	}
	if len(refused) > 0 {
		return Finding{"ollama", report.NotRun, fmt.Sprintf("%s runs %d of %d models; not %s", who, len(answers)-len(refused), len(answers), strings.Join(refused, ", "))}
	}
	return Finding{"ollama", report.Passed, fmt.Sprintf("%s runs all %d models of this kind", who, len(answers))}
}

// doctorPatience is how long an Ollama may take to say its version.
const doctorPatience = 2 * time.Second

// examineMLX starts MLX as a verification would.
func examineMLX() []Finding {
	thread, err := mlx.Start(mlx.Auto)
	if err != nil {
		return []Finding{{"mlx", report.Failed, err.Error()}}
	}
	defer thread.Close()
	info := thread.Info()
	found := []Finding{{"mlx", report.Passed, "MLX " + info.Version + ", runs on " + info.Backend}}
	if info.Device == mlx.GPU {
		found = append(found, Finding{"gpu", report.Passed, info.Name + ", " + humanize.Bytes(uint64(info.Memory))})
		if !mlx.HasKernels() {
			found = append(found, Finding{"kernels", report.Failed, "this MLX cannot run kernels of qimport's own, without which models are slower; QIMPORT_MLX=cuda make setup brings one that can"})
		}
		return found
	}
	found = append(found, Finding{"gpu", report.NotRun, "none that MLX can use; models run on the CPU"})
	switch {
	case info.BLAS == "":
		return append(found, Finding{"blas", report.NotRun, "this MLX does not say which it uses"})
	case strings.Contains(info.BLAS, "OpenBLAS"):
		return append(found, Finding{"blas", report.Passed, info.BLAS})
	}
	return append(found, Finding{"blas", report.Failed, info.BLAS + ": multiplication is many times slower than with OpenBLAS; make setup brings it"})
}

// examineStore looks whether the store can be read and written, and how much room it has.
func examineStore(stores Stores) []Finding {
	store, err := stores()
	if err != nil {
		return []Finding{{"store", report.Failed, err.Error()}}
	}
	var found []Finding
	entries, err := store.List()
	if err != nil {
		found = append(found, Finding{"manifests", report.Failed, err.Error()})
	} else {
		found = append(found, Finding{"manifests", report.Passed, modelsIn(len(entries), store.Root())})
	}
	space, err := store.Preflight(0)
	if err != nil {
		return append(found, Finding{"disk", report.Failed, err.Error()})
	}
	detail := humanize.Bytes(uint64(space.Free)) + " free"
	if space.Advice != "" {
		detail += "; " + space.Advice
	}
	return append(found, Finding{"disk", report.Passed, detail})
}

// examineCache looks for the Hugging Face cache, where sources are found by name.
func examineCache() Finding {
	dir, err := hub.CacheDir()
	if err != nil {
		return Finding{"cache", report.NotRun, err.Error()}
	}
	models, _ := filepath.Glob(filepath.Join(dir, "models--*"))
	if len(models) == 0 {
		return Finding{"cache", report.NotRun, "no models in " + dir}
	}
	return Finding{"cache", report.Passed, modelsIn(len(models), dir)}
}

func modelsIn(n int, dir string) string {
	if n == 1 {
		return "1 model in " + dir
	}
	return fmt.Sprintf("%d models in %s", n, dir)
}
