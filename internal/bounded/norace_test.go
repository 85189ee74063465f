//go:build !race

package bounded

const patience = 1
