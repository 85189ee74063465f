package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"qimport/internal/transfer"
)

// client asks one hub. It keeps no state between requests but open connections.
type client struct {
	http     *http.Client
	endpoint string
	patience transfer.Patience
}

func newClient(s settings) (*client, error) {
	base, err := url.Parse(s.endpoint)
	if err != nil || (base.Scheme != "https" && base.Scheme != "http") || base.Host == "" || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("HF_ENDPOINT is not the address of a hub: set it to https://HOST, or leave it out")
	}
	transport := s.transport
	if transport == nil {
		transport = transfer.NewTransport()
	}
	return &client{
		http:     &http.Client{Transport: authorized{transport, base, s.token}, CheckRedirect: checkRedirect},
		endpoint: s.endpoint,
		patience: s.patience,
	}, nil
}

func (c *client) close() { c.http.CloseIdleConnections() }

// authorized adds the token to what goes to the hub itself, also after redirects, and to nothing else.
type authorized struct {
	next  *http.Transport
	hub   *url.URL
	token string
}

func (a authorized) RoundTrip(req *http.Request) (*http.Response, error) {
	if a.token != "" && req.URL.Scheme == a.hub.Scheme && address(req.URL) == address(a.hub) {
		req = req.Clone(req.Context())
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	return a.next.RoundTrip(req)
}

// CloseIdleConnections is what http.Client looks for.
func (a authorized) CloseIdleConnections() { a.next.CloseIdleConnections() }

// address is host and port, the usual one left out.
func address(u *url.URL) string {
	usual := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" {
		port = usual
	}
	return net.JoinHostPort(host, port)
}

var errRedirect = errors.New("the redirect is refused")

// checkRedirect follows what the hub's own storage needs, and nothing else.
func checkRedirect(req *http.Request, via []*http.Request) error {
	switch from := via[len(via)-1].URL.Scheme; {
	case len(via) > 10:
		return fmt.Errorf("%w: there were more than 10", errRedirect)
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return fmt.Errorf("%w: it leads to neither http nor https", errRedirect)
	case from == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("%w: it leads from https to http", errRedirect)
	}
	req.Header.Del("Referer") // a stranger needs not know the repository
	return nil
}

// statusError is an answer that brought nothing.
type statusError int

func (s statusError) Error() string {
	return fmt.Sprintf("the hub answered %d %s", int(s), http.StatusText(int(s)))
}

// get asks once for address, from offset on. The answer is 200, 206 or 416; the caller closes it.
func (c *client) get(ctx context.Context, address string, offset int64) (*http.Response, error) {
	dog := transfer.Watch(ctx, c.patience.Stall)
	resp, err := c.do(dog, address, offset)
	if err != nil {
		dog.End()
		return nil, err
	}
	dog.Rest()
	resp.Body = transfer.WatchedBody{ReadCloser: resp.Body, Dog: dog}
	switch code := resp.StatusCode; {
	case code == http.StatusOK || offset > 0 && (code == http.StatusPartialContent || code == http.StatusRequestedRangeNotSatisfiable):
		return resp, nil
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500:
		resp.Body.Close()
		return nil, transfer.Temporary{Err: statusError(code), After: transfer.RetryAfter(resp.Header)}
	default:
		resp.Body.Close()
		return nil, statusError(code)
	}
}

func (c *client) do(dog *transfer.Watchdog, address string, offset int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(dog.Context(), http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "qimport")
	req.Header.Set("Accept-Encoding", "identity")
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, onTheWay(dog.Why(err))
	}
	return resp, nil
}

// onTheWay takes the address out of an error, which may be signed or as long as a stranger likes,
// and marks what another try may mend.
func onTheWay(err error) error {
	var inner *url.Error
	if errors.As(err, &inner) {
		host := ""
		if u, bad := url.Parse(inner.URL); bad == nil {
			host = u.Host
		}
		err = fmt.Errorf("%+.100q: %w", host, inner.Err)
	}
	var certificate *tls.CertificateVerificationError
	if errors.Is(err, errRedirect) || errors.As(err, &certificate) {
		return err
	}
	return transfer.Temporary{Err: err}
}
