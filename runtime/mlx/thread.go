package mlx

/*
#cgo pkg-config: mlxc
#cgo linux LDFLAGS: -Wl,-rpath,$ORIGIN/../lib -ldl
#include "glue.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
)

// Thread is one OS thread that owns MLX's work. It is safe for use by many goroutines, which take
// turns. Threads do not share arrays.
type Thread struct {
	info      Info
	stream    C.mlx_stream
	cuda      *cudaCompiler                 // used on the thread only; nil on other backends
	metal     map[*Kernel]*metalKernel      // likewise
	functions map[*Function]*tracedFunction // likewise
	jobs      chan job
	quit      chan struct{} // closed to ask the thread to end
	gone      chan struct{} // closed when it has
	once      sync.Once
}

// job is one call of Do on its way to the thread.
type job struct {
	ctx  context.Context
	f    func(*Scope) error
	done chan error // buffered
}

// initialize makes the settings that MLX reads at first use.
var initialize = sync.OnceFunc(func() { C.qimport_mlx_init() })

// Start starts a Thread for a device. A device that this machine lacks is an error.
func Start(d Device) (*Thread, error) {
	initialize()
	t := &Thread{metal: map[*Kernel]*metalKernel{}, functions: map[*Function]*tracedFunction{}, jobs: make(chan job), quit: make(chan struct{}), gone: make(chan struct{})}
	started := make(chan error)
	go t.loop(d, started)
	if err := <-started; err != nil {
		return nil, err
	}
	return t, nil
}

// Do runs f on the thread and returns what it returns, or an *Error if MLX refused an operation,
// or a *PanicError if f panicked. Before f runs, and at each Eval in it, a cancelled context ends
// it with the context's error. Arrays made in f are freed when it returns, except those that were
// kept. f must not call Do of the same Thread.
func (t *Thread) Do(ctx context.Context, f func(*Scope) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := job{ctx: ctx, f: f, done: make(chan error, 1)}
	select {
	case t.jobs <- j:
		return <-j.done
	case <-ctx.Done():
		return ctx.Err()
	case <-t.gone:
		return ErrClosed
	}
}

// Info says which MLX runs on which device.
func (t *Thread) Info() Info { return t.info }

// Close waits for the function that is running, if any, and ends the thread. Arrays that were kept
// may still be freed. It may be called more than once.
func (t *Thread) Close() {
	t.once.Do(func() { close(t.quit) })
	<-t.gone
}

// loop is the thread. It never unlocks its OS thread, which therefore ends with it.
func (t *Thread) loop(d Device, started chan<- error) {
	runtime.LockOSThread()
	defer close(t.gone)
	if err := t.open(d); err != nil {
		started <- err
		return
	}
	defer C.mlx_clear_streams()
	defer C.mlx_stream_free(t.stream)
	defer t.freeKernels()
	defer t.freeFunctions()
	started <- nil
	for {
		select {
		case j := <-t.jobs:
			t.run(j)
		case <-t.quit:
			return
		}
	}
}

// run runs one job and answers it, also if its function ends the goroutine (as testing.T.Fatal
// does), which ends the thread.
func (t *Thread) run(j job) {
	err := errors.New("the function given to Do ended its goroutine")
	defer func() { j.done <- err }()
	err = inScope(&Scope{thread: t, ctx: j.ctx}, j.f)
}

// open makes the thread's stream the default one.
func (t *Thread) open(d Device) error {
	dev, kind, err := openDevice(d)
	if err != nil {
		return err
	}
	defer C.mlx_device_free(dev)
	if backend(kind) == "cuda" {
		gpu := capability(dev)
		tellCUDA(version(), gpu)
		t.cuda = newCUDACompiler(gpu)
	}
	t.stream = C.mlx_stream_new_device(dev)
	if t.stream.ctx == nil || C.mlx_set_default_device(dev) != 0 || C.mlx_set_default_stream(t.stream) != 0 {
		return fmt.Errorf("device %s: %w", kind, lastError("stream"))
	}
	t.info = readInfo(dev, kind)
	if kind == GPU {
		C.mlx_enable_compile() // for Scope.Apply: on a CPU it would call the system's C++ compiler
	}
	return nil
}

// lastError is the error that mlx-c just reported on this OS thread.
func lastError(op string) *Error {
	return &Error{Op: op, Text: cleanText(C.GoString(C.qimport_mlx_error()))}
}
