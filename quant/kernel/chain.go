package kernel

import "unsafe"

// Chain is several functions of a graph that are called as one: what one makes is an input of those after
// it, and only what is named as an output is seen. For a single token, handing a graph's operations over one
// by one takes longer than most of them take.
//
// All functions work on rows: as many as the chain's first input has.
type Chain struct {
	width     int // of a row of the first input
	inputs    int
	links     []link
	widths    []int // of the values that are made, a row
	constants [][]int32
	outputs   []Value
	native    unsafe.Pointer
}

// Value is an input of a chain, something that one of its functions makes, or settings.
type Value struct {
	from  int
	index int
}

// Where a value comes from.
const (
	fromInput = iota
	fromLink
	fromConstant
)

// What a chain can have at most: inputs and outputs of one function, and values that are made.
const (
	mostInputs  = 16
	mostOutputs = 4
	mostValues  = MostValues
)

// MostValues is how many values the functions of a chain can make.
const MostValues = 1024

type link struct {
	function, argument unsafe.Pointer
	inputs             []Value
	first, outputs     int // the values that it makes
}

// NewChain begins a chain whose first input has rows of that width.
func NewChain(width int) (*Chain, Value) {
	c := &Chain{width: width}
	return c, c.Input()
}

// Input is one more input.
func (c *Chain) Input() Value {
	c.inputs++
	return Value{fromInput, c.inputs - 1}
}

// Settings are numbers that a function reads as an input.
func (c *Chain) Settings(n []int32) Value {
	c.constants = append(c.constants, n)
	return Value{fromConstant, len(c.constants) - 1}
}

// Call adds a function with its argument, which must be good until Close: see Matrix.Entry. Each value that
// it makes has the given number of elements a row.
func (c *Chain) Call(function, argument unsafe.Pointer, widths []int, inputs ...Value) []Value {
	if function == nil || len(inputs) > mostInputs || len(widths) > mostOutputs || len(c.widths)+len(widths) > mostValues {
		panic("kernel: a function that no chain can have")
	}
	c.links = append(c.links, link{function, argument, inputs, len(c.widths), len(widths)})
	made := make([]Value, len(widths))
	for i := range made {
		made[i] = Value{fromLink, len(c.widths) + i}
	}
	c.widths = append(c.widths, widths...)
	return made
}

// Open ends the chain: these are its outputs, each made by one of its functions. Close must follow.
func (c *Chain) Open(outputs ...Value) {
	for _, v := range outputs {
		if v.from != fromLink {
			panic("kernel: an output that no function makes")
		}
	}
	c.outputs = outputs
	c.openNative()
}

// Close frees what Open made.
func (c *Chain) Close() { c.closeNative() }
