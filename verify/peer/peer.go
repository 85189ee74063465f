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
)

// ErrPeer marks an Ollama that cannot be asked, or that answers otherwise than one does.
var ErrPeer = errors.New("cannot ask Ollama")

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
	err := p.ask(ctx, http.MethodGet, "/api/version", nil, &said)
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
	if err := p.ask(ctx, http.MethodGet, "/api/tags", nil, &said); err != nil {
		return "", err
	}
	for _, m := range said.Models {
		if strings.EqualFold(m.Name, model) {
			return strings.TrimPrefix(m.Digest, "sha256:"), nil
		}
	}
	return "", fmt.Errorf("%w: %s has no model %s; is it the Ollama of this store?", ErrPeer, p, model)
}

// maxReply bounds what comes back, in bytes: more than an answer of any length.
const maxReply = 16 << 20

// ask sends a request and reads what comes back into reply.
func (p *Peer) ask(ctx context.Context, method, path string, body, reply any) error {
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, p.base.JoinPath(path).String(), &content)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPeer, err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := p.client.Do(request)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPeer, err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	switch {
	case err != nil:
		return fmt.Errorf("%w: %s%s: %w", ErrPeer, p, path, err)
	case len(b) > maxReply:
		return fmt.Errorf("%w: %s%s answers more than %d bytes", ErrPeer, p, path, maxReply)
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("%w: %s%s: %s: %s", ErrPeer, p, path, response.Status, complaint(b))
	}
	if err := json.Unmarshal(b, reply); err != nil {
		return fmt.Errorf("%w: %s%s answers no JSON of the kind: %w", ErrPeer, p, path, err)
	}
	return nil
}

// complaint is the error that a reply holds, else its beginning.
func complaint(b []byte) string {
	var said struct{ Error string }
	if json.Unmarshal(b, &said) == nil && said.Error != "" {
		return said.Error
	}
	return string(b[:min(len(b), 200)])
}
