package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// usage is what one finished process took.
type usage struct {
	seconds float64
	peak    int64 // bytes resident at most, mapped pages included
}

// timed runs a command to its end; env is added to the environment.
func timed(env []string, name string, args ...string) (usage, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began).Seconds()
	if err != nil {
		return usage{}, fmt.Errorf("%s %q: %w\n%s", name, args, err, out)
	}
	r := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return usage{seconds: took, peak: r.Maxrss << 10}, nil
}

// output is what a command prints to stdout, and the seconds it took.
func output(name string, args ...string) ([]byte, float64, error) {
	began := time.Now()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w\n%s", err, exit.Stderr)
		}
		return nil, 0, fmt.Errorf("%s %q: %w", name, args, err)
	}
	return out, time.Since(began).Seconds(), nil
}

func median(runs []usage) float64 {
	s := make([]float64, len(runs))
	for i, r := range runs {
		s[i] = r.seconds
	}
	slices.Sort(s)
	return s[len(s)/2]
}

func peak(runs []usage) int64 {
	var p int64
	for _, r := range runs {
		p = max(p, r.peak)
	}
	return p
}
