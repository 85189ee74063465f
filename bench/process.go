package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// usage is what one finished process took.
type usage struct {
	seconds float64
	peak    int64 // bytes resident at most, mapped pages included
	own     int64 // of these, the most that no file backs; 0 where the system does not tell
	out     []byte
}

// timed runs a command to its end; env is added to the environment.
func timed(env []string, name string, args ...string) (usage, error) {
	return timedTo(0, env, name, args...)
}

// timedTo is timed for a command that may also end with the exit status given.
func timedTo(status int, env []string, name string, args ...string) (usage, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	stop := make(chan struct{})
	own := make(chan int64)
	go func() { own <- watchOwn(cmd.Process.Pid, stop) }()
	err := cmd.Wait()
	u := usage{seconds: time.Since(began).Seconds(), out: out.Bytes()}
	close(stop)
	u.own = <-own
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == status) {
		return usage{}, fmt.Errorf("%s %q: %w\n%s%s", name, args, err, out.Bytes(), said.Bytes())
	}
	u.peak = peakOf(cmd.ProcessState)
	return u, nil
}

// watchOwn looks, fifty times a second, how much memory of a process is backed by no file.
func watchOwn(pid int, stop <-chan struct{}) (most int64) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return most
		case <-tick.C:
			most = max(most, ownMemory(pid))
		}
	}
}

// ownMemory is RssAnon of /proc, in bytes; 0 where there is none.
func ownMemory(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "RssAnon:")
	kilobytes, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(kilobytes, 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// middle is the median of what value gives for the runs.
func middle[T any](runs []T, value func(T) float64) float64 {
	s := make([]float64, len(runs))
	for i, r := range runs {
		s[i] = value(r)
	}
	slices.Sort(s)
	return s[len(s)/2]
}

func seconds(u usage) float64 { return u.seconds }

func median(runs []usage) float64 { return middle(runs, seconds) }

func peak(runs []usage) int64 {
	var p int64
	for _, r := range runs {
		p = max(p, r.peak)
	}
	return p
}
