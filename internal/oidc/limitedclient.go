package oidc

import (
	"errors"
	"io"
	"net/http"
)

// maxResponse bounds what is read of a provider's answer, in bytes.
const maxResponse = 1 << 20

// errTooLong says that an answer goes on for too long.
var errTooLong = errors.New("the answer is longer than 1 MiB")

// limitClient returns a client like c whose answers end, whatever the provider sends:
// the libraries read some of them to the end.
func limitClient(c *http.Client) *http.Client {
	limited := *c
	limited.Transport = limitedTransport{c.Transport}
	return &limited
}

// limitedTransport is a transport whose answers have a bounded body.
type limitedTransport struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l limitedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	inner := l.RoundTripper
	if inner == nil {
		inner = http.DefaultTransport
	}
	answer, err := inner.RoundTrip(r)
	if err == nil {
		answer.Body = &limitedBody{ReadCloser: answer.Body, left: maxResponse}
	}
	return answer, err
}

// CloseIdleConnections lets go of what the inner transport holds.
func (l limitedTransport) CloseIdleConnections() {
	if inner, ok := l.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		inner.CloseIdleConnections()
	}
}

// limitedBody fails once more than left was read.
type limitedBody struct {
	io.ReadCloser
	left int
}

// Read implements io.Reader.
func (b *limitedBody) Read(into []byte) (int, error) {
	n, err := b.ReadCloser.Read(into)
	if b.left -= n; b.left < 0 {
		return 0, errTooLong
	}
	return n, err
}
