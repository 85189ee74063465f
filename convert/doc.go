// Package convert owns the way from a checkpoint to blobs: what a directory (or a stored model)
// holds, as an Inventory of logical tensors read from headers and config alone; the plan, which says
// what each of them becomes; carrying the plan out; and the way back to a directory.
//
// It must not know the terminal or MLX. What a number format means is quant's, what a store looks
// like is manifest's, how a model computes is runtime's: convert only hands tensors over by name.
package convert
