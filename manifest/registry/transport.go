package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"qimport/internal/transfer"
)

// buffers are those of a connection: with Go's own 4 KB a blob takes as many calls of the kernel.
const buffers = 256 << 10

func newTransport(jobs int) *http.Transport {
	t := transfer.NewTransport()
	t.MaxIdleConnsPerHost, t.IdleConnTimeout = jobs+1, time.Minute
	t.ReadBufferSize, t.WriteBufferSize = buffers, buffers
	return t
}

// carrier is the way that all requests take. It ends those that stand still, tells what another try may
// mend from what it may not, and lets nothing go in the clear that was not meant to.
type carrier struct {
	next  http.RoundTripper
	plain bool // http is what the user wants
	stall time.Duration
}

// settling is how many times longer than to others an answer to a PUT may take: a registry may hash a
// blob, or copy it within its storage, before it answers.
const settling = 5

var errPlain = errors.New("it leads from https to http, which is refused")

func (c carrier) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !c.plain {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, errPlain
	}
	stall := c.stall
	if req.Method == http.MethodPut {
		stall *= settling
	}
	dog := transfer.Watch(req.Context(), stall)
	req = req.Clone(dog.Context())
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = wakingBody{req.Body, dog}
	}
	resp, err := c.next.RoundTrip(req)
	if err != nil {
		dog.End()
		return nil, onTheWay(dog.Why(err))
	}
	dog.Rest()
	resp.Body = transfer.WatchedBody{ReadCloser: resp.Body, Dog: dog}
	if mayPass(resp.StatusCode) {
		io.CopyN(io.Discard, resp.Body, 4096) // so that the connection can be used again
		resp.Body.Close()
		return nil, transfer.Temporary{Err: statusError(resp.StatusCode), After: transfer.RetryAfter(resp.Header)}
	}
	return resp, nil
}

// CloseIdleConnections is what http.Client looks for.
func (c carrier) CloseIdleConnections() {
	if t, ok := c.next.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// mayPass says whether a status is one that another try may not get.
func mayPass(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusRequestTimeout ||
		status >= 500 && status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported
}

// statusError is an answer that brought nothing.
type statusError int

func (s statusError) Error() string {
	return fmt.Sprintf("it answered %d %s", int(s), http.StatusText(int(s)))
}

// onTheWay marks what another try may mend.
func onTheWay(err error) error {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError // of a server that speaks http
	if errors.Is(err, context.Canceled) || errors.As(err, &certificate) || errors.As(err, &record) {
		return err
	}
	return transfer.Temporary{Err: err}
}

// wakingBody is what is sent, under a watchdog: each piece that is taken shows that the other side reads.
type wakingBody struct {
	io.ReadCloser
	dog *transfer.Watchdog
}

func (b wakingBody) Read(p []byte) (int, error) {
	b.dog.Wake()
	return b.ReadCloser.Read(p)
}

// checkRedirect follows what a registry's own storage needs, and nothing else.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > 10 {
		return errors.New("there were more than 10 redirects")
	}
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return errors.New("it leads to neither http nor https")
	}
	if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errPlain
	}
	req.Header.Del("Referer") // a stranger needs not know the repository
	return nil
}
