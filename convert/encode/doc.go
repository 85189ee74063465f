// Package encode owns the engine that turns planned tensors into bytes: in chunks, over all cores, in
// memory that does not grow with the model, and the same bytes for every number of workers.
//
// It must not know where the bytes go: a Sink takes them. It decides nothing that a plan could.
package encode
