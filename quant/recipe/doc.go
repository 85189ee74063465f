// Package recipe says which tensor gets which format: patterns over names, policies for what no
// pattern names, and the files that hold both.
//
// It sees names and shapes only, and must not know where tensors come from or what becomes of them.
package recipe
