package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/cpu"
)

// machine is what a reader must know of it to read the tables.
func machine() string {
	vectors := ""
	switch {
	case cpu.X86.HasAVX512F:
		vectors = " with AVX-512"
	case cpu.X86.HasAVX2:
		vectors = " with AVX2"
	}
	info, _ := os.ReadFile("/proc/meminfo")
	_, rest, _ := strings.Cut(string(info), "MemTotal:")
	kilobytes, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	memory := "memory unknown"
	if n, err := strconv.ParseInt(kilobytes, 10, 64); err == nil {
		memory = size(n<<10) + " of memory"
	}
	return fmt.Sprintf("Measured on %d cores (%s%s), %s.", runtime.NumCPU(), cmp.Or(goarch[runtime.GOARCH], runtime.GOARCH), vectors, memory)
}

var goarch = map[string]string{"amd64": "x86-64"}

// limits are what the machine allows, measured in the same go as what is held to them.
type limits struct {
	bandwidth float64 // bytes a second that all cores together read from memory
	blas      float64 // operations a second of a float32 product of 512 rows, on all cores
}

func measureLimits() (limits, error) {
	blas, err := blasRate()
	if err != nil {
		return limits{}, err
	}
	read, err := bandwidthApart()
	return limits{bandwidth: read, blas: blas}, err
}

// bandwidthApart is bandwidth in a process of its own: what this one had in memory at most would count as what
// the commands that it runs had.
func bandwidthApart() (float64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	out, err := exec.Command(self, "bandwidth").Output()
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}

// bandwidth is the best of five readings of 256 MB a core. Each value is added to one of eight sums,
// so that no addition waits for the one before it.
func bandwidth() float64 {
	const words = 32 << 20
	cores := runtime.NumCPU()
	sums := make([]uint64, cores)
	block := make([]uint64, words*cores)
	for i := range block {
		block[i] = uint64(i)
	}
	best := math.Inf(1)
	for range 5 {
		var wg sync.WaitGroup
		began := time.Now()
		for core := range cores {
			wg.Go(func() { sums[core] = sum(block[core*words : (core+1)*words]) })
		}
		wg.Wait()
		best = min(best, time.Since(began).Seconds())
	}
	return float64(8*words*cores) / best
}

func sum(b []uint64) uint64 {
	var s [8]uint64
	for ; len(b) >= 8; b = b[8:] {
		s[0] += b[0]
		s[1] += b[1]
		s[2] += b[2]
		s[3] += b[3]
		s[4] += b[4]
		s[5] += b[5]
		s[6] += b[6]
		s[7] += b[7]
	}
	return s[0] ^ s[1] ^ s[2] ^ s[3] ^ s[4] ^ s[5] ^ s[6] ^ s[7]
}

var gflops = regexp.MustCompile(`([\d.]+) GFLOP/s`)

// blasRate asks the benchmark of MLX's product, which calls the BLAS that the program has.
func blasRate() (float64, error) {
	out, err := exec.Command("go", "test", "-run", "^$", "-bench", "^BenchmarkMatMul$/^F32$/^rows=512$", "-count", "3", "./runtime/mlx").CombinedOutput()
	if err != nil {
		return 0, errors.New(string(out))
	}
	best := 0.0
	for _, m := range gflops.FindAllSubmatch(out, -1) {
		rate, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			return 0, err
		}
		best = max(best, rate)
	}
	if best == 0 {
		return 0, errors.New("BenchmarkMatMul says no rate:\n" + string(out))
	}
	return best * 1e9, nil
}
