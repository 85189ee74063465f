package kernel

// Run is the definition. X is [B, T, Width], Y [B, T, nv*dv], and Decay [B, nv] that of the last token. Native
// versions differ from it by rounding only: they take some tokens together, and what these say to each other is a
// product of matrices.
func (z DeltaPrompt) Run(a DeltaArrays) {
	sequences := len(a.X) / (z.Width() * z.Tokens)
	for b := range sequences {
		one := part(a, b, sequences)
		x, y := one.X, one.Y
		for t := range z.Tokens {
			one.X, one.Y = piece(x, t, z.Tokens), piece(y, t, z.Tokens)
			z.DeltaStep.Run(one)
			one.Past, one.State = one.Next, one.NextState
		}
	}
}

// part is the arrays of sequence b of n.
func part(a DeltaArrays, b, n int) DeltaArrays {
	for _, f := range []*[]float32{&a.X, &a.Past, &a.State, &a.Y, &a.Next, &a.NextState, &a.Decay} {
		*f = piece(*f, b, n)
	}
	return a
}

// piece is part i of n of a list.
func piece(f []float32, i, n int) []float32 { return f[i*len(f)/n : (i+1)*len(f)/n] }

// Run is the definition. X is [B, T, Width], Turns [T, Turned], Y [B, T, nq*D]; Length is that before the first of
// the tokens. Native versions differ from it by rounding only.
func (z AttendPrompt) Run(a AttendArrays) {
	sequences := len(a.X) / (z.Width() * z.Tokens)
	for b := range sequences {
		for t := range z.Tokens {
			one := a
			one.X, one.Y = piece(a.X, b*z.Tokens+t, sequences*z.Tokens), piece(a.Y, b*z.Tokens+t, sequences*z.Tokens)
			one.Keys, one.Values = piece(a.Keys, b, sequences), piece(a.Values, b, sequences)
			one.Turns, one.Length = piece(a.Turns, t, z.Tokens), a.Length+t
			z.Attend.Run(one)
		}
	}
}
