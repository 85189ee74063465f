// Package peer asks a running Ollama: what it is, which model a name means to it, and what that answers. It
// speaks the part of Ollama's API that this takes.
//
// What comes back is from outside: it is bounded, and no more than text. The package must not know what an
// answer should be.
package peer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// ErrPeer marks an Ollama that cannot be asked, or that answers otherwise than one does.
var ErrPeer = errors.New("cannot ask Ollama")

// ErrNoModel marks a name that an Ollama does not know.
var ErrNoModel = errors.New("the Ollama has no such model")

// defaultPort is where an Ollama listens.
const defaultPort = "11434"

// Peer is an Ollama at an address.
type Peer struct {
	base   *url.URL
	client *http.Client
}

// New is the Ollama at host: a URL, or HOST[:PORT] as OLLAMA_HOST has it; "" is OLLAMA_HOST, else this
// machine. Nothing is asked yet.
func New(host string) (*Peer, error) {
	host = cmp.Or(strings.TrimSpace(host), strings.TrimSpace(os.Getenv("OLLAMA_HOST")), "127.0.0.1")
	plain := !strings.Contains(host, "://")
	if plain {
		host = "http://" + host
	}
	u, err := url.Parse(host)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("%w: %q is no address, such as http://127.0.0.1:%s", ErrPeer, host, defaultPort)
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsUnspecified() { // where one listens, not where one asks
		u.Host = net.JoinHostPort("127.0.0.1", u.Port())
	}
	if plain && u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), defaultPort)
	}
	u.RawQuery, u.Fragment = "", ""
	return &Peer{u, &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// String is the address, without a password.
func (p *Peer) String() string { return p.base.Redacted() }

// Version is what it says of itself.
func (p *Peer) Version(ctx context.Context) (string, error) {
	var said struct {
		Version string `json:"version"`
	}
	err := p.ask(ctx, http.MethodGet, "/api/version", nil, &said, about())
	if err == nil && said.Version == "" {
		err = fmt.Errorf("%w: %s says no version", ErrPeer, p)
	}
	return said.Version, err
}

// Digest is the digest of the manifest that a name points at there, in hex.
func (p *Peer) Digest(ctx context.Context, model string) (string, error) {
	var said struct {
		Models []struct{ Name, Digest string }
	}
	if err := p.ask(ctx, http.MethodGet, "/api/tags", nil, &said, about()); err != nil {
		return "", err
	}
	for _, m := range said.Models {
		if strings.EqualFold(m.Name, model) {
			return strings.TrimPrefix(m.Digest, "sha256:"), nil
		}
	}
	return "", fmt.Errorf("%w: %s has none called %s; is it the Ollama of this store?", ErrNoModel, p, model)
}

const (
	// maxReply bounds a reply about models, in bytes: that of a store of ten thousand names.
	maxReply = 16 << 20
	// patience is how long such a reply may take.
	patience = 30 * time.Second
)

// bound is what a reply may cost.
type bound struct {
	bytes    int64
	patience time.Duration
}

func about() bound { return bound{maxReply, patience} }

// ask sends a request and reads what comes back into reply.
func (p *Peer) ask(ctx context.Context, method, path string, body, reply any, most bound) error {
	ctx, cancel := context.WithTimeoutCause(ctx, most.patience, fmt.Errorf("no answer within %v: %w", most.patience, context.DeadlineExceeded))
	defer cancel()
	b, status, err := p.exchange(ctx, method, path, body, most.bytes)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %s%s: %w", ErrPeer, p, path, context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("%w: %s%s: %w", ErrPeer, p, path, err)
	case int64(len(b)) > most.bytes:
		return fmt.Errorf("%w: %s%s answers more than %d bytes", ErrPeer, p, path, most.bytes)
	case status != http.StatusOK:
		return fmt.Errorf("%w: %s%s: %d %s: %s", ErrPeer, p, path, status, http.StatusText(status), complaint(b))
	}
	if err := json.Unmarshal(b, reply); err != nil {
		return fmt.Errorf("%w: %s%s answers no JSON of the kind: %w", ErrPeer, p, path, err)
	}
	return nil
}

// exchange sends a request and reads one byte more than most of what comes back, at most.
func (p *Peer) exchange(ctx context.Context, method, path string, body any, most int64) (b []byte, status int, err error) {
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return nil, 0, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, p.base.JoinPath(path).String(), &content)
	if err != nil {
		return nil, 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := p.client.Do(request)
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) { // it says the address again
		err = wrapped.Err
	}
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	b, err = io.ReadAll(io.LimitReader(response.Body, most+1))
	return b, response.StatusCode, err
}

// complaint is the error that a reply holds, else its beginning.
func complaint(b []byte) string {
	var said struct{ Error string }
	if json.Unmarshal(b, &said) == nil && said.Error != "" {
		return said.Error
	}
	return string(b[:min(len(b), 200)])
}
