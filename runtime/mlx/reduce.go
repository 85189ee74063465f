package mlx

/*
#include "glue.h"
*/
import "C"

// Along one axis, negative ones counting from the last. With keep, the axis stays with size 1.

// Sum is the sum along an axis.
func (s *Scope) Sum(a *Array, axis int, keep bool) *Array {
	r := s.array()
	return r.ok("sum", C.mlx_sum_axis(&r.handle, a.in(), C.int(axis), C.bool(keep), s.thread.stream))
}

// Mean is the mean along an axis.
func (s *Scope) Mean(a *Array, axis int, keep bool) *Array {
	r := s.array()
	return r.ok("mean", C.mlx_mean_axis(&r.handle, a.in(), C.int(axis), C.bool(keep), s.thread.stream))
}

// Max is the largest along an axis.
func (s *Scope) Max(a *Array, axis int, keep bool) *Array {
	r := s.array()
	return r.ok("max", C.mlx_max_axis(&r.handle, a.in(), C.int(axis), C.bool(keep), s.thread.stream))
}

// Min is the smallest along an axis.
func (s *Scope) Min(a *Array, axis int, keep bool) *Array {
	r := s.array()
	return r.ok("min", C.mlx_min_axis(&r.handle, a.in(), C.int(axis), C.bool(keep), s.thread.stream))
}

// ArgMax is the index (uint32) of the largest along an axis; of equal ones, the first.
func (s *Scope) ArgMax(a *Array, axis int, keep bool) *Array {
	r := s.array()
	return r.ok("argmax", C.mlx_argmax_axis(&r.handle, a.in(), C.int(axis), C.bool(keep), s.thread.stream))
}

// LogSumExp is log(sum(e^a)) along an axis, without overflow.
func (s *Scope) LogSumExp(a *Array, axis int, keep bool) *Array {
	r := s.array()
	return r.ok("logsumexp", C.mlx_logsumexp_axis(&r.handle, a.in(), C.int(axis), C.bool(keep), s.thread.stream))
}

// All is true where all along an axis are.
func (s *Scope) All(a *Array, axis int, keep bool) *Array {
	r := s.array()
	return r.ok("all", C.mlx_all_axis(&r.handle, a.in(), C.int(axis), C.bool(keep), s.thread.stream))
}

// Any is true where any along an axis is.
func (s *Scope) Any(a *Array, axis int, keep bool) *Array {
	r := s.array()
	return r.ok("any", C.mlx_any_axis(&r.handle, a.in(), C.int(axis), C.bool(keep), s.thread.stream))
}

// Softmax is e^a / sum(e^a) along an axis, in float32 inside if precise.
func (s *Scope) Softmax(a *Array, axis int, precise bool) *Array {
	r := s.array()
	return r.ok("softmax", C.mlx_softmax_axis(&r.handle, a.in(), C.int(axis), C.bool(precise), s.thread.stream))
}

// Cumsum is the running sum along an axis, each element included in its own; a bool or integer
// array gives integers.
func (s *Scope) Cumsum(a *Array, axis int) *Array {
	r := s.array()
	return r.ok("cumsum", C.mlx_cumsum_axis(&r.handle, a.in(), C.int(axis), false, true, C.mlx_optional_dtype{}, s.thread.stream))
}

// ArgSort is the indices (uint32) that sort a along an axis, rising; equal ones keep their order.
func (s *Scope) ArgSort(a *Array, axis int) *Array {
	r := s.array()
	return r.ok("argsort", C.mlx_argsort_axis(&r.handle, a.in(), C.int(axis), s.thread.stream))
}

// ArgPartition is indices (uint32) with those of the kth smallest along an axis before kth, in no
// order; a negative kth counts from the largest.
func (s *Scope) ArgPartition(a *Array, kth, axis int) *Array {
	r := s.array()
	return r.ok("argpartition", C.mlx_argpartition_axis(&r.handle, a.in(), C.int(kth), C.int(axis), s.thread.stream))
}

// Sort sorts along an axis, rising.
func (s *Scope) Sort(a *Array, axis int) *Array {
	r := s.array()
	return r.ok("sort", C.mlx_sort_axis(&r.handle, a.in(), C.int(axis), s.thread.stream))
}

// TopK is the k largest values along an axis, in no order.
func (s *Scope) TopK(a *Array, k, axis int) *Array {
	r := s.array()
	return r.ok("topk", C.mlx_topk_axis(&r.handle, a.in(), C.int(k), C.int(axis), s.thread.stream))
}
