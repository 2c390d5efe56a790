package request

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/fairqueue"
)

// connWriter sets the deadlines of a connection.
type connWriter struct {
	http.ResponseWriter
	net.Conn
	set []time.Time
}

func (c *connWriter) Write(p []byte) (int, error) { return c.ResponseWriter.Write(p) }

func (c *connWriter) SetReadDeadline(t time.Time) error {
	c.set = append(c.set, t)
	return c.Conn.SetReadDeadline(t)
}

// sending returns a request whose body send writes, of which length bytes are
// announced. With deadlines, its connection takes some.
func sending(t *testing.T, length int64, deadlines bool, send func(net.Conn)) (*Request, *connWriter) {
	client, server := net.Pipe()
	sent := make(chan struct{})
	t.Cleanup(func() {
		_, _ = client.Close(), server.Close()
		<-sent
	})
	go func() {
		defer close(sent)
		send(client)
	}()
	r := httptest.NewRequest("POST", "/", server)
	r.ContentLength = length
	facts := Metadata{ClientIP: "192.0.2.1"}
	w := &connWriter{Conn: server}
	if deadlines {
		facts.Writer = w
	}
	return New(r, facts, new(Config)), w
}

// drip writes so many bytes each second.
func drip(perSecond, total int) func(net.Conn) {
	return func(client net.Conn) {
		for sent := 0; sent < total; sent += perSecond {
			time.Sleep(time.Second)
			if _, err := client.Write(make([]byte, min(perSecond, total-sent))); err != nil {
				return
			}
		}
		_ = client.Close()
	}
}

// TestN11SlowBody: a body that does not arrive in time is refused, whatever policies
// make of what they do not see; one that arrives at 16 KiB a second is read.
func TestN11SlowBody(t *testing.T) {
	const length = 1 << 20
	tests := []struct {
		name    string
		send    func(net.Conn)
		problem BodyProblem
		took    time.Duration
	}{
		{"N-11 nothing comes", func(net.Conn) {}, BodyTimeout, 10 * time.Second},
		{"N-11 a little at a time", drip(1<<10, length), BodyTimeout, 11 * time.Second},
		{"N-11 half, and then nothing", func(c net.Conn) { _, _ = c.Write(make([]byte, length/2)) }, BodyTimeout, (10 + 32) * time.Second},
		{"N-11 slowly", drip(16<<10, length), "", 64 * time.Second},
	}
	for _, test := range tests {
		for _, deadlines := range []bool{true, false} {
			t.Run(test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					req, w := sending(t, length, deadlines, test.send)
					start := time.Now()
					problem, err := req.ReadBody(t.Context(), DefaultBodyLimits)
					took := time.Since(start)
					if problem != test.problem || err != nil || took < test.took-time.Second || took > test.took+time.Second {
						t.Errorf("%q, %v after %s", problem, err, took)
					}
					if late := problem == BodyTimeout; req.BodyAbandoned() != late || req.bodyTruncated != late {
						t.Errorf("abandoned: %v, truncated: %v", req.BodyAbandoned(), req.bodyTruncated)
					} else if req.BodyBlocksConnection() != (late && !deadlines) {
						t.Errorf("unending: %v", req.BodyBlocksConnection())
					} else if deadlines && w.set[len(w.set)-1].IsZero() == late {
						t.Errorf("the deadlines were %v", w.set)
					}
					if rest, err := io.ReadAll(req.http.Body); problem == BodyTimeout && (len(rest) > 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
						t.Errorf("the next reader gets %d bytes, %v", len(rest), err)
					}
					req.ReleaseBody()
				})
			})
		}
	}
}

// TestN11ServersOwnDeadline: what the server allows for reading a request holds on
// while there is something to read, and not after it.
func TestN11ServersOwnDeadline(t *testing.T) {
	for limit, whole := range map[int64]bool{4: true, 3: false} {
		synctest.Test(t, func(t *testing.T) {
			own := time.Now().Add(3 * time.Second)
			req, w := sending(t, -1, true, func(c net.Conn) { _, _ = c.Write([]byte("four")); _ = c.Close() })
			server := &http.Server{ReadTimeout: 3 * time.Second}
			req.http = req.http.WithContext(context.WithValue(t.Context(), http.ServerContextKey, server))
			req.meta.Writer = &hardDeadline{w, own}
			if problem, err := req.ReadBody(t.Context(), BodyLimits{Size: limit}); (problem == "") != whole || err != nil {
				t.Errorf("%q, %v", problem, err)
			}
			for i, deadline := range w.set {
				if want := i < len(w.set)-1 || !whole; deadline.Equal(own) != want || !want && !deadline.IsZero() {
					t.Errorf("at most %d bytes: deadline %d is %s", limit, i, deadline)
				}
			}
			req.ReleaseBody()
		})
	}
}

// hardDeadline never takes a deadline away, as Caddy's own writer.
type hardDeadline struct {
	http.ResponseWriter
	end time.Time
}

func (h *hardDeadline) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func (h *hardDeadline) SetReadDeadline(t time.Time) error {
	if t.IsZero() || t.After(h.end) {
		t = h.end
	}
	return http.NewResponseController(h.ResponseWriter).SetReadDeadline(t)
}

// TestN11AnnouncedLength: bodies take memory as they arrive, not as they announce.
func TestN11AnnouncedLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var total int64
		for range 100 {
			req, _ := sending(t, 1<<20, true, func(net.Conn) {})
			if problem, _ := req.ReadBody(t.Context(), DefaultBodyLimits); problem != BodyTimeout {
				t.Errorf("%q", problem)
			}
			total += req.bodyMemory
			req.ReleaseBody()
		}
		if total > 100*initialBodyBuffer {
			t.Errorf("100 bodies of which nothing came took %d bytes", total)
		}
	})
	for _, length := range []int64{1, initialBodyBuffer, 5000, 1 << 20} {
		req := New(httptest.NewRequest("POST", "/", bytes.NewReader(make([]byte, length))), Metadata{}, new(Config))
		if problem, err := req.ReadBody(t.Context(), DefaultBodyLimits); problem != "" || err != nil || req.bodyMemory > length+bytes.MinRead || int64(len(req.rawBody)) != length {
			t.Errorf("%d bytes took %d: %q, %v", length, req.bodyMemory, problem, err)
		}
		req.ReleaseBody()
	}
}

// TestN11ArrivingBodies: a network that holds all it may gets no more, others do,
// and what was judged is given back.
func TestN11ArrivingBodies(t *testing.T) {
	shared := bodyMemory
	bodyMemory = fairqueue.NewQuota(maxBodyMemory)
	t.Cleanup(func() { bodyMemory = shared })
	of := func(client string) *Request {
		r := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", 1<<20)))
		return New(r, Metadata{ClientIP: client}, new(Config))
	}
	var flood []*Request
	for {
		req := of("198.51.100.7")
		problem, err := req.ReadBody(t.Context(), DefaultBodyLimits)
		flood = append(flood, req)
		if errors.Is(err, fairqueue.ErrBusy) {
			if !req.BodyAbandoned() || !req.bodyTruncated {
				t.Error("what there is no room for is not abandoned")
			}
			if rest, err := io.ReadAll(req.http.Body); len(rest) > 0 || !errors.Is(err, fairqueue.ErrBusy) {
				t.Errorf("the next reader gets %d bytes, %v", len(rest), err)
			}
			break
		}
		if problem != "" || err != nil || len(flood) > maxBodyMemory>>21 {
			t.Fatalf("%d bodies are held: %q, %v", len(flood), problem, err)
		}
	}
	for _, client := range []string{"198.51.100.8", "203.0.113.5", "2001:db8::1"} {
		other := of(client)
		if problem, err := other.ReadBody(t.Context(), DefaultBodyLimits); problem != "" || err != nil {
			t.Errorf("%s: %q, %v", client, problem, err)
		}
		other.ReleaseBody()
	}
	for _, req := range flood {
		req.ReleaseBody()
		req.ReleaseBody() // twice is once
	}
	again := of("198.51.100.7")
	if problem, err := again.ReadBody(t.Context(), DefaultBodyLimits); problem != "" || err != nil {
		t.Errorf("afterwards: %q, %v", problem, err)
	}
	again.ReleaseBody()
}
