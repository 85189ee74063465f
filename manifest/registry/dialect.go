package registry

import (
	"context"
	"net/http"

	"qimport/internal/transfer"
)

// Dialect is what a registry speaks.
type Dialect uint8

// The dialects. Ollama's registry has manifests and blobs at the same addresses as any other, but no
// /v2/ that says so, no referrers, no HEAD, and manifests without length, type or digest; uploads are
// signed with Ollama's own key and cut into parts by rules of its own.
const (
	OCI Dialect = iota
	Ollama
)

// String is the name that scripts read.
func (d Dialect) String() string { return [...]string{OCI: "oci", Ollama: "ollama"}[d] }

// MarshalText makes a dialect a JSON string.
func (d Dialect) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// dialect asks for what every OCI registry has, if only to say that one must log in.
func (c *Client) dialect(ctx context.Context) (d Dialect, err error) {
	p := c.patience
	p.Final = transfer.Unreachable
	err = p.Retry(ctx, func() (bool, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base(), nil)
		if err != nil {
			return false, err
		}
		resp, err := c.http.Do(req)
		if err != nil {
			return false, err
		}
		defer resp.Body.Close()
		if resp.StatusCode == http.StatusNotFound {
			d = Ollama
		}
		return false, nil
	})
	return d, c.explain(err)
}
