package transfer

import (
	"net"
	"net/http"
	"time"
)

// NewTransport is the way to servers that nothing is known of: they are given 15 seconds to connect and a
// megabyte of headers, and bodies come as they are.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:    15 * time.Second,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // sizes and digests are those of the bytes on the way
		MaxResponseHeaderBytes: 1 << 20,
	}
}
