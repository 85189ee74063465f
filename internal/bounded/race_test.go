//go:build race

package bounded

// patience is by how much the race detector slows a test down.
const patience = 10
