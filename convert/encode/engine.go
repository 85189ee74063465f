package encode

import (
	"context"
	goruntime "runtime"
	"sync"

	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/quant"
)

// Pieces lends the bytes of a source. *Source does.
type Pieces interface {
	// LoadPiece lends piece i of a tensor; the bytes stay until the source is closed.
	LoadPiece(t source.Tensor, i int) (quant.Tensor, error)
	// Fuse adds what adapters change of rows from on of piece i, which values holds decoded.
	Fuse(t source.Tensor, i, from int, values []float32) error
	// Guard runs f, which reads lent bytes, and names the file that was cut short meanwhile.
	Guard(f func() error) error
	// Release says that lent bytes will not be needed soon.
	Release(b []byte)
}

// Sink is where the arrays of a tensor go, one after the other.
type Sink interface {
	Write(p []byte) (int, error)
	// WriteAhead puts bytes at their place in the file, which Write has yet to reach.
	WriteAhead(p []byte, offset int64) error
	// Advance goes on over what was written ahead.
	Advance(n int64) error
}

// Places are where in its file each array of a tensor lies.
type Places map[plan.ArrayKind]Place

// Place is where in its file an array lies.
type Place struct{ At, Bytes int64 }

// Engine makes the bytes of planned tensors, in memory that does not grow with the model, whatever
// they are written to. Several tensors may be made at the same time; all share its cores and buffers.
type Engine struct {
	src   Pieces
	meter *Meter
	jobs  int
	size  chunkSize
	cores chan struct{} // one token a job; whoever computes or writes holds one
	spare chan []byte   // buffers for chunks

	mu       sync.Mutex        // guards what follows
	searched map[string]losses // by tensor, where scales were searched
	told     map[string]string // by tensor, what is to be told of its values
}

// NewEngine makes an engine that works on jobs chunks at a time, 0 for one a core.
func NewEngine(src Pieces, jobs int, meter *Meter) *Engine {
	jobs = workers(jobs)
	size := sizeChunks(jobs)
	return &Engine{
		src: src, meter: meter, jobs: jobs, size: size,
		cores: make(chan struct{}, jobs),
		spare: make(chan []byte, size.inFlight),
	}
}

// Beside is an engine for another plan, of a source of its own, that shares cores and buffers with e: both
// together work at as much at a time, in as much memory, as e would alone.
func (e *Engine) Beside(src Pieces, meter *Meter) *Engine {
	return &Engine{src: src, meter: meter, jobs: e.jobs, size: e.size, cores: e.cores, spare: e.spare}
}

// workers is how many pieces are worked on at a time. More than a few for every core gain nothing, and
// cost memory.
func workers(jobs int) int {
	cores := goruntime.GOMAXPROCS(0)
	if jobs > 0 {
		return min(jobs, 4*cores)
	}
	return cores
}

// AtOnce is how many tensors are best made at the same time: one more than there are workers, so
// that none waits while a tensor is begun or ended.
func (e *Engine) AtOnce() int { return e.jobs + 1 }

// acquire waits for a core to work on.
func (e *Engine) acquire(ctx context.Context) error {
	select {
	case e.cores <- struct{}{}:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *Engine) release() { <-e.cores }

// buffer is n bytes of any content.
func (e *Engine) buffer(n int) []byte {
	if n > 4*e.size.elements {
		return make([]byte, n)
	}
	select {
	case b := <-e.spare:
		return b
	default:
		return make([]byte, 4*e.size.elements)
	}
}

// giveBack keeps a buffer for the next chunk, unless it is larger than most.
func (e *Engine) giveBack(b []byte) {
	if len(b) != 4*e.size.elements {
		return
	}
	select {
	case e.spare <- b:
	default:
	}
}
