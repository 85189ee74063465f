package kernel

// DeltaStep are the sizes of one token's way through the middle of a Gated DeltaNet layer, between its
// projections: causal convolution with silu, queries and keys of length one, decay and beta, the gated
// delta rule with its state, and the gated RMS norm, all in float32. It is here, though no number format,
// because it works as products do: over rows, on their threads, with a definition beside it.
//
// Value head j uses the query and the key of key head j / (ValueHeads/KeyHeads).
type DeltaStep struct {
	KeyHeads, ValueHeads int
	KeyDim, ValueDim     int // of one head
	Taps                 int // of the convolution
	Eps                  float32
}

// DeltaArrays are what a step reads and writes, for B sequences of one token each. State may be NextState.
type DeltaArrays struct {
	X         []float32 // [B, Width]: queries, keys, values, then z, b and a
	Past      []float32 // [B, Taps-1, Conv]: the convolution's inputs before
	State     []float32 // [B, nv, dv, dk]
	Weight    []float32 // [Taps, Conv]: of the convolution
	Rate      []float32 // [nv]: -exp(A_log)
	Bias      []float32 // [nv]: dt_bias
	Norm      []float32 // [dv]
	Y         []float32 // [B, nv*dv]
	Next      []float32 // [B, Taps-1, Conv]
	NextState []float32 // [B, nv, dv, dk]
	Decay     []float32 // [B, nv]: what the state was multiplied by
}

// Conv is the number of the convolution's channels: queries, keys and values of all heads.
func (z DeltaStep) Conv() int { return 2*z.KeyHeads*z.KeyDim + z.ValueHeads*z.ValueDim }

// Width is that of a row of X.
func (z DeltaStep) Width() int { return z.Conv() + z.ValueHeads*z.ValueDim + 2*z.ValueHeads }
