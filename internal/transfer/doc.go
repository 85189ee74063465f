// Package transfer owns what everything that is sent or fetched over a network has in common: how long
// one waits and how often one tries again, what ends a request that stands still, and how far several of
// them are together.
//
// It must not know who is asked, or for what.
package transfer
