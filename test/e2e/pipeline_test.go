//go:build e2e

package e2e

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// pipeline is a running Caddy in front of a server whose answers flow. It has a
// site for each way to change what flows through it.
type pipeline struct {
	*env
	server  *server
	address string
	hits    atomic.Int64  // requests that reached the upstream
	proceed chan struct{} // lets the upstream send the next event
}

// pipelineSites are the lines of the sites: of policy_auth, and of the site.
var pipelineSites = map[string][2]string{
	"plain":         {"", ""},
	"cors":          {corsSite, ""},
	"cors upstream": {"cors upstream\n", ""},
	"encode":        {"", "encode zstd gzip"},
	"both":          {corsSite, "encode {\n gzip\n minimum_length 1\n match {\n header Content-Type text*\n }\n}"},
}

func newPipeline(t *testing.T) *pipeline {
	t.Helper()
	v := &pipeline{env: newEnv(t), proceed: make(chan struct{})}
	v.Write("keys.yaml", "keys:\n  - {id: ci, owner: build, hash: \"sha256:"+sha(canary)+"\"}\n")
	upstream := httptest.NewUnstartedServer(v)
	upstream.Config.Protocols = new(http.Protocols)
	upstream.Config.Protocols.SetHTTP1(true)
	upstream.Config.Protocols.SetUnencryptedHTTP2(true)
	upstream.Start()
	t.Cleanup(upstream.Close)
	admin, listen := "127.0.0.1:"+port(t), port(t)
	config := "{\nadmin " + admin + "\nauto_https off\ndefault_bind 127.0.0.1\nservers {\n protocols h1 h2c\n}\n}\n"
	for name, lines := range pipelineSites {
		config += fmt.Sprintf("http://%s:%s {\npolicy_auth {\n%sidentity_headers {\n X-Auth-User id\n X-Auth-Roles roles\n }\n%s}\n%s\nreverse_proxy /h2c/* h2c://UPSTREAM\nreverse_proxy UPSTREAM\n}\n",
			pipelineHost(name), listen, keySite, lines[0], lines[1])
	}
	v.Write("Caddyfile", strings.NewReplacer("DIR", v.Dir, "UPSTREAM", upstream.Listener.Addr().String()).Replace(config))
	v.server, v.address = start(t, v.Dir, "Caddyfile", admin), "127.0.0.1:"+listen
	return v
}

// pipelineHost returns the host of a site.
func pipelineHost(name string) string { return strings.ReplaceAll(name, " ", "-") + ".example.com" }

// each runs a test for each site over the given versions of HTTP.
func (v *pipeline) each(t *testing.T, versions []int, test func(*testing.T, string, http.RoundTripper)) {
	for name := range pipelineSites {
		for _, version := range versions {
			transport := &http.Transport{Proxy: nil, Protocols: new(http.Protocols), ResponseHeaderTimeout: 10 * time.Second}
			transport.Protocols.SetHTTP1(version == 1)
			transport.Protocols.SetUnencryptedHTTP2(version == 2)
			t.Cleanup(transport.CloseIdleConnections)
			t.Run(fmt.Sprintf("%s, HTTP/%d", name, version), func(t *testing.T) { test(t, pipelineHost(name), transport) })
		}
	}
}

// request makes a request to a site, of a known caller.
func (v *pipeline) request(t *testing.T, method, host, path string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+v.address+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	r.Header = http.Header{"Origin": {origin}, "X-Api-Key": {canary}, "X-Auth-User": {"root"}}
	return r
}

// send sends a request, first as a stranger, who is refused without the
// upstream's knowing, and then as the caller that it is of.
func (v *pipeline) send(t *testing.T, transport http.RoundTripper, r *http.Request) *http.Response {
	t.Helper()
	hits := v.hits.Load()
	stranger := r.Clone(r.Context())
	stranger.Body, stranger.ContentLength = http.NoBody, 0
	stranger.Header.Del("X-Api-Key")
	refused, err := transport.RoundTrip(stranger)
	if err != nil {
		t.Fatal(err)
	}
	_ = refused.Body.Close()
	if refused.StatusCode != http.StatusUnauthorized || v.hits.Load() != hits {
		t.Errorf("a stranger got %d, the upstream %d requests", refused.StatusCode, v.hits.Load()-hits)
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	if got := response.Header.Values("Access-Control-Allow-Origin"); strings.Contains("cors.example.com both.example.com", r.Host) != (len(got) == 1) {
		t.Errorf("pages of %q may read it", got)
	}
	return response
}

// large is how much flows in one direction: more than Caddy may hold at once.
const large = 64 << 20

// stream returns a large stream, the same each time.
func stream() io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{1}), large) }

// ServeHTTP is the upstream.
func (v *pipeline) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.hits.Add(1)
	switch strings.TrimPrefix(r.URL.Path, "/h2c") {
	case "/ws":
		webSocket(w, r)
	case "/events":
		v.events(w)
	case "/upload":
		hash := sha256.New()
		n, _ := io.Copy(hash, r.Body)
		_, _ = fmt.Fprintf(w, "%d %d %v %s", n, r.ContentLength, r.TransferEncoding, hex.EncodeToString(hash.Sum(nil)))
	case "/download":
		w.Header().Set("Content-Length", fmt.Sprint(large))
		_, _ = io.Copy(w, stream())
	case "/hints":
		w.Header().Set("Link", "</style.css>; rel=preload; as=style")
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "after hints")
	case "/trailers":
		w.Header().Set("Trailer", "X-Checksum")
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s|%v|%v", body, r.Header, r.Trailer)
		_ = http.NewResponseController(w).Flush() // or it would have a length, and over HTTP/1.1 no trailers
		w.Header().Set("X-Checksum", r.Trailer.Get("X-Checksum"))
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	case "/echo":
		_, _ = io.WriteString(w, "ready\n")
		_ = http.NewResponseController(w).Flush()
		for reader := bufio.NewReader(r.Body); ; {
			line, err := reader.ReadString('\n')
			if err != nil {
				break
			}
			_, _ = io.WriteString(w, "echo "+line)
			_ = http.NewResponseController(w).Flush()
		}
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	}
}

// events sends one event after another, each when the one before has arrived.
func (v *pipeline) events(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i := range 5 {
		_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-v.proceed:
		case <-time.After(10 * time.Second):
			return
		}
	}
}

// connect opens a connection to the running Caddy.
func (v *pipeline) connect(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	connection, err := net.DialTimeout("tcp", v.address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
	return connection, bufio.NewReader(connection)
}
