package deny

import (
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/policyauth/caddy-policy-auth/internal/fairqueue"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

const (
	// maxUnread is how much of the body of a denied request is read and discarded before
	// the response, in bytes, so that the connection can be reused. net/http reads as much.
	maxUnread = 256 << 10
	// maxDrained is how much is discarded after the response, in bytes, before the
	// connection is closed.
	maxDrained = 16 << 20
	// drainTime is the maximum time for that, drainPause the maximum time without data.
	drainTime  = 5 * time.Second
	drainPause = time.Second
	// maxDraining is the maximum number of connections that are drained concurrently.
	maxDraining = 256
)

// draining shares these connections fairly between networks.
var draining = fairqueue.NewQuota(maxDraining)

// hangUp closes the connection after the response if the body of the request is not read:
// if the client waits for 100 Continue, which it does not get (RFC 9110, section 10.1.1),
// if the body is larger than is worth discarding (section 15.5.2; RFC 9112, section 9.6),
// or if reading it was given up. Otherwise net/http reads a part of the body before it
// sends the response. It reports whether the client may still be sending.
func hangUp(w http.ResponseWriter, r *http.Request, abandoned bool) (sending bool) {
	if r.ProtoMajor != 1 {
		return false // a stream ends and its connection stays
	}
	waits := httpguts.HeaderValuesContainsToken(r.Header["Expect"], "100-continue")
	sending = !waits && !abandoned && (r.ContentLength > maxUnread || r.ContentLength < 0 && !isShort(w, r))
	if waits || abandoned || sending {
		w.Header().Set("Connection", "close")
	}
	if abandoned || sending {
		linger(w)
	}
	return sending
}

// warnUnending logs once why connections stay open after their responses.
func (rs *Responder) warnUnending() {
	rs.unendingWarning.Do(func() {
		rs.Logger.Warn("a client that sends no body keeps its HTTP/1.1 connection: a handler before policy_auth hides read deadlines; put that handler after policy_auth, or set read_timeout in the server's timeouts")
	})
}

// isShort discards a body of unknown length and reports whether it ended.
func isShort(w http.ResponseWriter, r *http.Request) bool {
	read, err := readAway(w, r, maxUnread, drainPause)
	if errors.Is(err, io.EOF) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		return true
	}
	return read == 0 && errors.Is(err, http.ErrNotSupported)
}

// linger makes net/http close its own side of the connection first, and the other side half
// a second later. Otherwise a client that is sending may get a reset and lose the
// response. net/http does so by itself, but not if another reader wraps the body.
func linger(w http.ResponseWriter) {
	limited := http.MaxBytesReader(request.ServerWriter(w), io.NopCloser(strings.NewReader("more")), 0)
	_, _ = limited.Read(make([]byte, 1)) // this tells the server that the request is too large
}

// drain sends the response and discards what the client still sends, so that clients that
// read the response only after sending everything get it too. Bytes, time and the number
// of such clients are limited.
func drain(w http.ResponseWriter, r *http.Request, client netip.Addr) {
	if !draining.Acquire(client, 1) {
		return
	}
	defer draining.Release(client, 1)
	if http.NewResponseController(w).Flush() == nil {
		_, _ = readAway(w, r, maxDrained, drainTime)
	}
}

// readAway discards a body until it ends or fails, for a limited time.
func readAway(w http.ResponseWriter, r *http.Request, most int64, during time.Duration) (read int64, err error) {
	control, end := http.NewResponseController(w), time.Now().Add(during)
	room := make([]byte, 32<<10)
	for read <= most && err == nil {
		deadline := time.Now().Add(drainPause)
		if deadline.After(end) {
			deadline = end
		}
		if err = control.SetReadDeadline(deadline); err != nil {
			return read, err
		}
		var n int
		n, err = r.Body.Read(room)
		read += int64(n)
	}
	return read, err
}
