// Package write carries a plan out into the stage of a store: which blobs are there already, which
// have to be made, and the manifest that names them. It publishes nothing.
//
// It must not decide what a tensor becomes, which is plan's, nor how its bytes are made, encode's.
package write
