package request

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	// bodyGracePeriod is how long a body may take in addition to the time for its bytes.
	bodyGracePeriod = 10 * time.Second
	// minBodyRate is the minimum rate at which a body arrives, in bytes per second.
	minBodyRate = 16 << 10
)

// TimedBody reads a request's body with a minimum rate: it allows ten seconds, and one
// more for each 16 KiB that have arrived. After that, reading fails with
// os.ErrDeadlineExceeded, whatever Content-Length says. It belongs to one goroutine.
type TimedBody struct {
	io.ReadCloser
	ctx            context.Context
	writer         http.ResponseWriter
	control        *http.ResponseController
	deadline       time.Time // for the bytes that have arrived until now
	serverDeadline time.Time // from the server's ReadTimeout, or zero
	connDeadline   time.Time // set on the connection, or zero
	noDeadlines    bool      // the connection does not support read deadlines
	err            error
}

// NewTimedBody returns the body of r, whose response w writes. Call Stop after the last
// Read.
func NewTimedBody(w http.ResponseWriter, r *http.Request) *TimedBody {
	now := time.Now()
	t := &TimedBody{ReadCloser: r.Body, ctx: r.Context(), writer: w, control: http.NewResponseController(w), deadline: now.Add(bodyGracePeriod)}
	if server, ok := t.ctx.Value(http.ServerContextKey).(*http.Server); ok && server.ReadTimeout > 0 {
		t.serverDeadline = now.Add(server.ReadTimeout)
	}
	if t.ReadCloser == nil {
		t.ReadCloser = http.NoBody
	}
	return t
}

// Read implements io.Reader.
func (t *TimedBody) Read(p []byte) (n int, err error) {
	if t.err == nil && time.Now().After(t.currentDeadline()) {
		t.err = os.ErrDeadlineExceeded // another handler may have moved the connection's deadline
	}
	if t.err != nil {
		return 0, t.err
	}
	if t.extendDeadline(); t.noDeadlines {
		n, err = t.readWithTimer(p)
	} else {
		n, err = t.ReadCloser.Read(p)
	}
	t.deadline = t.deadline.Add(time.Duration(n) * time.Second / minBodyRate)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = os.ErrDeadlineExceeded
	}
	t.err = err
	return n, err
}

// currentDeadline returns the time by which the next byte must arrive.
func (t *TimedBody) currentDeadline() time.Time {
	if !t.serverDeadline.IsZero() && t.serverDeadline.Before(t.deadline) {
		return t.serverDeadline
	}
	return t.deadline
}

// extendDeadline moves the connection's deadline, but by no less than a second, because
// each move costs a system call or a switch to the connection's goroutine.
func (t *TimedBody) extendDeadline() {
	end := t.currentDeadline()
	if t.noDeadlines || !t.connDeadline.IsZero() && end.Sub(t.connDeadline) < time.Second {
		return
	}
	t.connDeadline = end
	t.noDeadlines = t.control.SetReadDeadline(end) != nil
}

// readWithTimer reads from a connection without read deadlines, as behind a handler that
// hides them. A read that takes too long continues in the background and keeps p. Over
// HTTP/2 and HTTP/3 it ends with its stream, after the response. Over HTTP/1.1 it keeps
// the connection and a goroutine until the client sends or closes, or until the server's
// read_timeout: see BodyBlocksConnection.
func (t *TimedBody) readWithTimer(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	go func() {
		n, err := t.ReadCloser.Read(p)
		done <- result{n, err}
	}()
	timeout := time.NewTimer(time.Until(t.currentDeadline()))
	defer timeout.Stop()
	select {
	case got := <-done:
		return got.n, got.err
	case <-timeout.C:
		return 0, os.ErrDeadlineExceeded
	case <-t.ctx.Done():
		return 0, t.ctx.Err()
	}
}

// Stop restores the deadline of the server's ReadTimeout, or clears it if there is none;
// a deadline that another handler has set is unknown and is not restored. At the end of a
// body it clears the deadline on the server's own writer, because net/http already waits
// for the next request and treats a deadline that passes as a client that hung up. After
// a timeout the deadline stays, so that nothing waits for the rest of the body.
func (t *TimedBody) Stop() {
	switch {
	case t.connDeadline.IsZero(), t.TimedOut():
	case errors.Is(t.err, io.EOF):
		_ = http.NewResponseController(ServerWriter(t.writer)).SetReadDeadline(time.Time{})
	default:
		_ = t.control.SetReadDeadline(t.serverDeadline)
	}
}

// ServerWriter returns the innermost writer, which is the web server's own.
func ServerWriter(w http.ResponseWriter) http.ResponseWriter {
	for {
		outer, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = outer.Unwrap()
	}
}

// TimedOut reports whether the body arrived too slowly.
func (t *TimedBody) TimedOut() bool { return errors.Is(t.err, os.ErrDeadlineExceeded) }
