//go:build !race

package chat

const patience = 1
