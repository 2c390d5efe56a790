package oidc

import (
	"errors"
	"io"
	"net/http"
)

// maxResponse is the maximum size of a provider's response, in bytes.
const maxResponse = 1 << 20

// errTooLong is the error of a response longer than maxResponse.
var errTooLong = errors.New("the answer is longer than 1 MiB")

// limitClient returns a client like c that reads at most maxResponse bytes of each
// response.
func limitClient(c *http.Client) *http.Client {
	limited := *c
	limited.Transport = limitedTransport{c.Transport}
	return &limited
}

// limitedTransport is a transport whose response bodies have a maximum size.
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

// CloseIdleConnections closes the idle connections of the inner transport.
func (l limitedTransport) CloseIdleConnections() {
	if inner, ok := l.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		inner.CloseIdleConnections()
	}
}

// limitedBody fails once more than left bytes were read.
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
