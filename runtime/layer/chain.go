package layer

import (
	"slices"

	"qimport/quant"
	"qimport/quant/kernel"
	"qimport/runtime/mlx"
)

// chain is functions of a block that are one operation of a CPU's graph: kernel.Chain with the block's
// weights as inputs.
type chain struct {
	*kernel.Chain
	x        kernel.Value // the first input
	inputs   []*Param     // those that the block has, of all but what a call is given
	products []*Mapped
}

func newChain(width int) *chain {
	c, x := kernel.NewChain(width)
	return &chain{Chain: c, x: x}
}

// weight is an array of the block as an input.
func (c *chain) weight(p *Param) kernel.Value {
	c.inputs = append(c.inputs, p)
	return c.Input()
}

func (c *chain) norm(n *Norm, x kernel.Value) kernel.Value {
	width := n.weight.Shape[0]
	return c.Call(kernel.NormEntry(), nil, []int{width}, x, c.weight(n.weight), c.Settings(kernel.ActivationSizes(width, n.eps)))[0]
}

func (c *chain) add(width int, x, y kernel.Value) kernel.Value {
	return c.Call(kernel.AddEntry(), nil, []int{width}, x, y)[0]
}

func (c *chain) linear(l *Linear, x kernel.Value) kernel.Value {
	c.products = append(c.products, l.mapped)
	f, argument := l.mapped.product.Function(quant.CallMultiply)
	return c.Call(f, argument, []int{l.mapped.matrix.Out}, x)[0]
}

func (c *chain) choose(e *experts, topK int, x, ids kernel.Value) kernel.Value {
	c.products = append(c.products, e.mapped)
	f, argument := e.mapped.product.Function(quant.CallExperts)
	return c.Call(f, argument, []int{topK * e.mapped.matrix.Out}, x, ids)[0]
}

// swiglu is that of `each` rows [2*inner] for every row of the chain.
func (c *chain) swiglu(inner, each int, x kernel.Value) kernel.Value {
	return c.Call(kernel.SwiGLUEntry(), nil, []int{each * inner}, x, c.Settings(kernel.ActivationSizes(inner, 0)))[0]
}

func (c *chain) mlp(m *MLP, x kernel.Value) kernel.Value {
	return c.linear(m.down, c.swiglu(m.inner, 1, c.linear(m.gateUp, x)))
}

func (c *chain) moe(m *MoE, x kernel.Value) kernel.Value {
	all := len(m.gateUp.mapped.matrix.Experts)
	logits := c.linear(m.router, x)
	sizes := kernel.RouteSizes(all, m.topK, m.normalise)
	routed := c.Call(kernel.RouteEntry(), nil, []int{m.topK, m.topK}, logits, c.Settings(sizes))
	y := c.choose(m.down, m.topK, c.swiglu(m.inner, m.topK, c.choose(m.gateUp, m.topK, x, routed[0])), routed[0])
	in, f := []kernel.Value{y, routed[1], c.Settings(sizes[1:])}, kernel.CombineEntry()
	if m.shared != nil {
		in, f = append(in, c.linear(m.sharedOn, x), c.mlp(m.shared, x)), kernel.CombineAllEntry()
	}
	return c.Call(f, nil, []int{m.down.mapped.matrix.Out}, in...)[0]
}

// feed is x plus the feed-forward part of its norm.
func (c *chain) feed(width int, norm *Norm, part any, x kernel.Value) kernel.Value {
	normed := c.norm(norm, x)
	if m, ok := part.(*MoE); ok {
		return c.add(width, x, c.moe(m, normed))
	}
	return c.add(width, x, c.mlp(part.(*MLP), normed))
}

// call adds the chain to a graph: inputs are those that a call is given, in the order in which the chain has
// them, and the weights take the other places.
func (c *chain) call(s *mlx.Scope, outputs []mlx.Output, inputs ...*mlx.Array) []*mlx.Array {
	f, argument := c.Entry()
	for _, p := range c.inputs {
		inputs = append(inputs, p.Array)
	}
	return s.Calls(f, argument, quant.F32, outputs, inputs...)
}

// watched says whether somebody watches what goes into one of the products.
func (c *chain) watched() bool {
	return c != nil && slices.ContainsFunc(c.products, func(m *Mapped) bool { return m.watched != nil })
}

// chains says whether a map can be part of a chain.
func (l *Linear) chains() bool {
	return l.mapped != nil && l.bias == nil && l.compute.WrongRows == 0
}
