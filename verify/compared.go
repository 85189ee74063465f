package verify

import (
	"fmt"
	"slices"

	"qimport/quant"
	"qimport/runtime"
	"qimport/verify/report"
	"qimport/verify/score"
)

// compared is a prefill beside single steps.
type compared struct {
	apart     []float64 // the largest difference of a log-probability at each place at which both were looked at
	precision runtime.Precision
	experts   bool // whether routers choose
}

// The largest difference of a log-probability that prefill and decoding may show among the
// likeliest tokens. The small models differ by up to 1e-5 in float32, and by up to 1e-2 with a delta
// state in bf16, which prefill rounds more rarely than decoding; with activations in bf16 a model
// differs from its float32 self by up to 0.3.
const (
	prefillToleranceF32  = 2e-3
	prefillToleranceBF16 = 0.5
)

// tolerance is by the dtype of the activations.
func (c compared) tolerance() float64 {
	if c.precision.Activations == quant.F32 {
		return prefillToleranceF32
	}
	return prefillToleranceBF16
}

// routed is at how many places the difference may be any. A router between two experts that are as good
// chooses by the last bit, and activations that are rounded to bf16 have not the same last bit in one row as
// in many: then a place is computed by other experts. Of 513 places of the small model on a GPU there were up
// to two, also where float32 was compared with either way to read. One in fifty is far from what a fault does,
// which shows at all places, or at all after one.
func (c compared) routed() int {
	if n := len(c.apart); c.experts && c.precision.Activations != quant.F32 && n > 3 {
		return max(1, n/50)
	}
	return 0
}

// judge holds the differences to the tolerance; what was compared is said in the detail, as "one prefill and
// 3 single steps".
func (c compared) judge(what string) report.Check {
	detail := fmt.Sprintf("largest difference of a log-probability, among the %d likeliest tokens, between %s", score.Likeliest, what)
	if len(c.apart) == 0 {
		return atMost(0, c.tolerance(), detail)
	}
	apart := slices.Sorted(slices.Values(c.apart)) // NaN comes first
	if apart[0] != apart[0] {
		return atMost(apart[0], c.tolerance(), detail)
	}
	worst := apart[len(apart)-1]
	if worst <= c.tolerance() || c.routed() == 0 {
		return atMost(worst, c.tolerance(), detail)
	}
	return atMost(apart[len(apart)-1-c.routed()], c.tolerance(), fmt.Sprintf(
		"%s, less the %d places of %d where routers in bf16 may choose other experts (up to %.3g there)", detail, c.routed(), len(apart), worst))
}
