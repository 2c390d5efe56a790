package oidc

import (
	"errors"
	"io"
	"net/http"
)

// maxAnswer bounds what is read of a provider's answer, in bytes.
const maxAnswer = 1 << 20

// errLong says that an answer goes on for too long.
var errLong = errors.New("the answer is longer than 1 MiB")

// bounded returns a client like c whose answers end, whatever the provider sends:
// the libraries read some of them to the end.
func bounded(c *http.Client) *http.Client {
	limited := *c
	limited.Transport = limit{c.Transport}
	return &limited
}

// limit is a transport whose answers have a bounded body.
type limit struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l limit) RoundTrip(r *http.Request) (*http.Response, error) {
	inner := l.RoundTripper
	if inner == nil {
		inner = http.DefaultTransport
	}
	answer, err := inner.RoundTrip(r)
	if err == nil {
		answer.Body = &body{ReadCloser: answer.Body, left: maxAnswer}
	}
	return answer, err
}

// CloseIdleConnections lets go of what the inner transport holds.
func (l limit) CloseIdleConnections() {
	if inner, ok := l.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		inner.CloseIdleConnections()
	}
}

// body fails once more than left was read.
type body struct {
	io.ReadCloser
	left int
}

// Read implements io.Reader.
func (b *body) Read(into []byte) (int, error) {
	n, err := b.ReadCloser.Read(into)
	if b.left -= n; b.left < 0 {
		return 0, errLong
	}
	return n, err
}
