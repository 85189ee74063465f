package untrusted

import (
	"fmt"
	"runtime/debug"
)

// Fault is an access to mapped memory behind which there is no file any more: the file was cut short
// while it was mapped, or its disk has failed.
type Fault struct{ Addr uintptr }

func (f *Fault) Error() string {
	return fmt.Sprintf("the file mapped at %#x was cut short, or cannot be read, while it was in use", f.Addr)
}

// Guard runs f, which reads mapped memory, and returns a fault on the way as a *Fault. It holds for
// Go code on this goroutine only: a fault in C ends the process, so that native code must be given
// copies, made under Guard.
func Guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch p := recover().(type) {
		case nil:
		case interface {
			error
			Addr() uintptr
		}: // of the runtime: a fault at an address
			err = &Fault{p.Addr()}
		default:
			panic(p)
		}
	}()
	return f()
}
