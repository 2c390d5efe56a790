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
	// bodyGracePeriod is how long a body may take beyond what its bytes are worth.
	bodyGracePeriod = 10 * time.Second
	// minBodyRate is how many bytes are worth a second.
	minBodyRate = 16 << 10
)

// TimedBody reads a request's body as long as it arrives in time: within ten seconds
// and another one for each 16 KiB that have arrived. Then reading fails with
// os.ErrDeadlineExceeded. A client that sends nothing is let go, whatever
// length it announced. It belongs to one goroutine.
type TimedBody struct {
	io.ReadCloser
	ctx            context.Context
	writer         http.ResponseWriter
	control        *http.ResponseController
	deadline       time.Time // of what has arrived until now
	serverDeadline time.Time // the server's own end, or zero
	connDeadline   time.Time // the deadline of the connection
	noDeadlines    bool      // the connection takes no deadlines
	err            error
}

// NewTimedBody returns the request's body, whose answer w is. Call Stop once what
// reads it has what it needs.
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
		t.err = os.ErrDeadlineExceeded // something before the connection may have moved its deadline
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

// currentDeadline returns until when the next byte may arrive.
func (t *TimedBody) currentDeadline() time.Time {
	if !t.serverDeadline.IsZero() && t.serverDeadline.Before(t.deadline) {
		return t.serverDeadline
	}
	return t.deadline
}

// extendDeadline moves the deadline, by a second at least: it costs a system call or a turn of
// the connection's goroutine.
func (t *TimedBody) extendDeadline() {
	end := t.currentDeadline()
	if t.noDeadlines || !t.connDeadline.IsZero() && end.Sub(t.connDeadline) < time.Second {
		return
	}
	t.connDeadline = end
	t.noDeadlines = t.control.SetReadDeadline(end) != nil
}

// readWithTimer reads where the connection takes no deadlines, since something stands before
// it that hides them. A read that takes too long is left alone, with p. Over HTTP/2
// and HTTP/3 it ends with its stream, after the answer. Over HTTP/1.1 it lasts, with
// the connection and its goroutine, until the client closes or sends, or the server's
// own read_timeout ends it: see BodyBlocksConnection.
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
	over := time.NewTimer(time.Until(t.currentDeadline()))
	defer over.Stop()
	select {
	case got := <-done:
		return got.n, got.err
	case <-over.C:
		return 0, os.ErrDeadlineExceeded
	case <-t.ctx.Done():
		return 0, t.ctx.Err()
	}
}

// Stop sets the server's own end as the deadline again, or none where it has no
// ReadTimeout; a deadline that something else has set is not known and not set again.
// After a body's end it sets none, whatever stands before the server's writer:
// net/http already waits for the next request, and takes a deadline that passes for a
// client that hung up. Where the body came too late the deadline stays, so that
// nothing waits for the rest of it.
func (t *TimedBody) Stop() {
	switch {
	case t.connDeadline.IsZero(), t.TimedOut():
	case errors.Is(t.err, io.EOF):
		_ = http.NewResponseController(ServerWriter(t.writer)).SetReadDeadline(time.Time{})
	default:
		_ = t.control.SetReadDeadline(t.serverDeadline)
	}
}

// ServerWriter returns the web server's own writer, without those before it.
func ServerWriter(w http.ResponseWriter) http.ResponseWriter {
	for {
		outer, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = outer.Unwrap()
	}
}

// TimedOut reports whether the body came too late.
func (t *TimedBody) TimedOut() bool { return errors.Is(t.err, os.ErrDeadlineExceeded) }
