package policyauth

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// connection is what a web server's own writer is to handlers: it can take a
// file from the system's hands, be flushed and be taken over.
type connection struct {
	*httptest.ResponseRecorder
	taken    int64 // by ReadFrom
	informed []int // statuses of 1xx
	hijacked bool
}

// ReadFrom implements io.ReaderFrom.
func (c *connection) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(c.Body, r)
	c.taken += n
	return n, err
}

// WriteHeader implements http.ResponseWriter.
func (c *connection) WriteHeader(status int) {
	if status < http.StatusOK && status != http.StatusSwitchingProtocols {
		c.informed = append(c.informed, status)
		return
	}
	c.ResponseRecorder.WriteHeader(status)
}

// Hijack implements http.Hijacker.
func (c *connection) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c.hijacked = true
	client, server := net.Pipe()
	_ = client.Close()
	return server, bufio.NewReadWriter(bufio.NewReader(server), bufio.NewWriter(server)), nil
}

// streamModes are ways to configure a site that concern what its answers look like.
var streamModes = map[string]string{"plain": "", "cors": corsSite, "cors upstream": "cors upstream\n"}

// TestReadFrom: issue 4's response rail. A file behind the handler is handed to
// the server's writer as a whole, so that it can use sendfile, with what belongs
// to it unchanged.
func TestReadFrom(t *testing.T) {
	for name, mode := range streamModes {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			content := strings.Repeat("protected ", 10_000)
			w.Write("site/large.txt", content)
			server := w.together(strings.ReplaceAll("{\nauto_https off\n}\nhttp://site.example.com:8080 {\nroot DIR/site\npolicy_auth {\n"+basicSite+mode+"}\nfile_server\n}\n", "DIR", w.Dir))
			c := &connection{ResponseRecorder: httptest.NewRecorder()}
			r := asUser(get("http://site.example.com/large.txt", "Origin", origin), "alice")
			r.RemoteAddr = "127.0.0.1:1234"
			server.ServeHTTP(c, r)
			if c.Code != http.StatusOK || c.Body.String() != content || c.taken != int64(len(content)) {
				t.Errorf("%d, %d bytes of which %d by ReadFrom", c.Code, c.Body.Len(), c.taken)
			}
			if h := c.Header(); h.Get("Content-Length") != fmt.Sprint(len(content)) || h.Get("Etag") == "" || h.Get("Accept-Ranges") != "bytes" {
				t.Errorf("header %v", h)
			}
		})
	}
}

// TestController: issue 4's response rail. What the next handler does with the
// server's writer reaches it: early hints, Flush, Hijack and an answer without a
// status; and the CORS headers are there when they are sent.
func TestController(t *testing.T) {
	tests := []struct {
		name  string
		next  func(http.ResponseWriter) error
		holds func(*connection) bool
	}{
		{"flush by the controller", func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
			func(c *connection) bool { return c.Flushed && c.Code == http.StatusOK }},
		{"early hints", func(w http.ResponseWriter) error {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusProcessing)
			w.WriteHeader(http.StatusCreated)
			_, err := io.WriteString(w, "done")
			return err
		}, func(c *connection) bool {
			return fmt.Sprint(c.informed) == "[103 102]" && c.Code == http.StatusCreated && c.Body.String() == "done"
		}},
		{"hijack", func(w http.ResponseWriter) error {
			taken, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				err = taken.Close()
			}
			return err
		}, func(c *connection) bool { return c.hijacked && !c.Flushed && c.Body.Len() == 0 }},
		{"writes and flushes by turns", func(w http.ResponseWriter) error {
			for range 3 {
				if _, err := io.WriteString(w, "x"); err != nil {
					return err
				}
				if err := http.NewResponseController(w).Flush(); err != nil {
					return err
				}
			}
			return nil
		}, func(c *connection) bool { return c.Body.String() == "xxx" && c.Flushed }},
		{"copy", func(w http.ResponseWriter) error {
			_, err := io.Copy(w, io.MultiReader(bytes.NewReader([]byte("a")), strings.NewReader("b")))
			return err
		}, func(c *connection) bool { return c.Body.String() == "ab" }},
		{"trailers", func(w http.ResponseWriter) error {
			w.Header().Set("Trailer", "X-Checksum")
			_, err := io.WriteString(w, "x")
			w.Header().Set("X-Checksum", "1")
			w.Header().Set(http.TrailerPrefix+"X-Late", "2")
			return err
		}, func(c *connection) bool {
			trailer := c.Result().Trailer
			return trailer.Get("X-Checksum") == "1" && trailer.Get("X-Late") == "2"
		}},
	}
	w := newEnv(t)
	for name, mode := range streamModes {
		h, _ := w.site(basicSite + mode)
		for _, test := range tests {
			t.Run(name+", "+test.name, func(t *testing.T) {
				c := &connection{ResponseRecorder: httptest.NewRecorder()}
				next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error { return test.next(w) })
				if err := askOn(c, h, asUser(get("/", "Origin", origin), "alice"), next); err != nil {
					t.Fatal(err)
				}
				if !test.holds(c) {
					t.Errorf("%+v", c)
				}
				if name == "cors" && !c.hijacked && c.Result().Header.Get("Access-Control-Allow-Origin") != origin {
					t.Errorf("header %v", c.Result().Header)
				}
			})
		}
	}
}
