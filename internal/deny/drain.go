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
	// maxUnread is how much of a denied request's body is read away before the
	// answer, in bytes, so that its connection serves the next request. It is what
	// net/http reads.
	maxUnread = 256 << 10
	// maxDrained is how much is read away after the answer, before the connection ends.
	maxDrained = 16 << 20
	// drainTime is how long this takes at most, drainPause how long the client may
	// send nothing meanwhile.
	drainTime  = 5 * time.Second
	drainPause = time.Second
	// maxDraining is for how many connections at once.
	maxDraining = 256
)

// draining divides the connections whose bodies are read away between networks.
var draining = fairqueue.NewQuota(maxDraining)

// hangUp ends the connection of a client whose body is not read: one that
// waits to be told to send it, since it will not be told (RFC 9110, section
// 10.1.1), one that sends more than is worth reading away (section
// 15.5.2; RFC 9112, section 9.6), or one whose body was given up. Without that the
// web server would wait for a part of it before it sends the answer. It reports
// whether the client may still be sending.
func hangUp(w http.ResponseWriter, r *http.Request, abandoned bool) (sending bool) {
	if r.ProtoMajor != 1 {
		return false // a stream ends without its connection
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

// warnUnending says once why connections outlast their answers.
func (rs *Responder) warnUnending() {
	rs.unendingWarning.Do(func() {
		rs.Logger.Warn("a client that sends no body keeps its HTTP/1.1 connection: a handler before policy_auth hides read deadlines; put that handler after policy_auth, or set read_timeout in the server's timeouts")
	})
}

// isShort reads a body of unknown length away and reports whether it ended.
func isShort(w http.ResponseWriter, r *http.Request) bool {
	read, err := readAway(w, r, maxUnread, drainPause)
	if errors.Is(err, io.EOF) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		return true
	}
	return read == 0 && errors.Is(err, http.ErrNotSupported)
}

// linger has net/http close the connection in two steps: it ends its own side, and
// half a second later the other one. A client that is sending would get a reset at
// once and, with it, lose the answer. net/http does so by itself if it knows of the
// body, which it does not where another reader stands before it.
func linger(w http.ResponseWriter) {
	limited := http.MaxBytesReader(request.ServerWriter(w), io.NopCloser(strings.NewReader("more")), 0)
	_, _ = limited.Read(make([]byte, 1)) // it tells the server that the request is too large
}

// drain sends the answer and reads away what the client still sends, so that a
// client that reads no answer before it has sent everything gets it, too. The bytes,
// the time and the number of such clients are bounded.
func drain(w http.ResponseWriter, r *http.Request, client netip.Addr) {
	if !draining.Acquire(client, 1) {
		return
	}
	defer draining.Release(client, 1)
	if http.NewResponseController(w).Flush() == nil {
		_, _ = readAway(w, r, maxDrained, drainTime)
	}
}

// readAway reads a body until it ends or fails, at most for a time.
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
