package respheader

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stamp is a correction that shows.
func stamp(h http.Header) { h["X-Stamp"] = []string{"corrected"} }

// serve answers requests over real connections, through a rail.
func serve(t *testing.T, http2 bool, handler func(http.ResponseWriter, *http.Request)) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rail := new(HeaderWriter)
		rail.Wrap(w)
		rail.Add(stamp)
		handler(rail.Writer(), r)
	}))
	if http2 {
		server.EnableHTTP2 = true
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server
}

// TestRail: however an answer begins, its headers are corrected once they are sent.
func TestRail(t *testing.T) {
	begin := map[string]func(http.ResponseWriter){
		"WriteHeader":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
		"informational": func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints); w.WriteHeader(http.StatusOK) },
		"Write":         func(w http.ResponseWriter) { _, _ = io.WriteString(w, "data") },
		"Copy":          func(w http.ResponseWriter) { _, _ = io.Copy(w, io.LimitReader(strings.NewReader("data"), 9)) },
		"Flush":         func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"Flusher":       func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"nothing":       func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) },
	}
	for name, begin := range begin {
		t.Run(name, func(t *testing.T) {
			server := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Stamp", "upstream's")
				begin(w)
				w.Header().Set("X-Stamp", "too late")
			})
			got, err := server.Client().Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer got.Body.Close()
			if lines := got.Header["X-Stamp"]; len(lines) != 1 || lines[0] != "corrected" {
				t.Errorf("got %q", lines)
			}
		})
	}
}

// TestRailNothing: without corrections the response itself is handed on.
func TestRailNothing(t *testing.T) {
	w := httptest.NewRecorder()
	rail := new(HeaderWriter)
	rail.Wrap(w)
	if rail.Writer() != http.ResponseWriter(w) {
		t.Error("it is wrapped")
	}
}

// TestRailCorrect: an error route's answer is corrected beforehand, one that is
// under way is not touched.
func TestRailCorrect(t *testing.T) {
	w := httptest.NewRecorder()
	rail := new(HeaderWriter)
	rail.Wrap(w)
	rail.Add(stamp)
	rail.Correct()
	if w.Header().Get("X-Stamp") != "corrected" {
		t.Error("not corrected")
	}
	rail.WriteHeader(http.StatusOK)
	w.Header().Set("X-Stamp", "later")
	if rail.Correct(); w.Header().Get("X-Stamp") != "later" {
		t.Error("headers are changed that were sent")
	}
}

// sink is a server's writer that knows whether a file was handed to it.
type sink struct {
	http.ResponseWriter
	files int
}

func (s *sink) ReadFrom(r io.Reader) (int64, error) {
	s.files++
	return io.Copy(io.Discard, r)
}

// TestRailReadFrom: files still reach the server's own ReadFrom.
func TestRailReadFrom(t *testing.T) {
	s := &sink{ResponseWriter: httptest.NewRecorder()}
	rail := new(HeaderWriter)
	rail.Wrap(s)
	rail.Add(stamp)
	if n, err := io.Copy(rail.Writer(), io.LimitReader(strings.NewReader("file"), 4)); n != 4 || err != nil || s.files != 1 {
		t.Errorf("%d %v, ReadFrom was called %d times", n, err, s.files)
	}
}

// TestRailHijack: a WebSocket gets at its connection.
func TestRailHijack(t *testing.T) {
	server := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
		connection, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer connection.Close()
		_, _ = buffer.WriteString("HTTP/1.1 101 Switching Protocols\r\n\r\nraw")
		_ = buffer.Flush()
	})
	connection, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	_, _ = io.WriteString(connection, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil || !strings.Contains(line, "101") {
		t.Errorf("%q %v", line, err)
	}
}

// TestRailTrailers: trailers pass, over HTTP/2 too.
func TestRailTrailers(t *testing.T) {
	server := serve(t, true, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "data")
		w.Header().Set("X-Sum", "42")
		w.Header().Set(http.TrailerPrefix+"X-Late", "43")
	})
	got, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if _, err := io.Copy(io.Discard, got.Body); err != nil || got.ProtoMajor != 2 {
		t.Fatal(err, got.Proto)
	}
	if got.Trailer.Get("X-Sum") != "42" || got.Trailer.Get("X-Late") != "43" || got.Header.Get("X-Stamp") != "corrected" {
		t.Errorf("trailers %v, headers %v", got.Trailer, got.Header)
	}
}

func TestAddAll(t *testing.T) {
	h := http.Header{"Vary": {"Origin"}}
	AddAll(h, http.Header{"Vary": {"Accept"}, "X-Tenant": {"a", "b"}})
	if diff := cmp.Diff(http.Header{"Vary": {"Origin", "Accept"}, "X-Tenant": {"a", "b"}}, h); diff != "" {
		t.Error(diff)
	}
}
