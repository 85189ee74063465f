//go:build race

package chat

// patience is by how much the race detector slows a rendering down.
const patience = 10
