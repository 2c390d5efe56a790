//go:build e2e

package policyauth

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
	"net/http/httptrace"
	"net/textproto"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// river is a running Caddy in front of a server whose answers flow. It has a
// site for each way to change what flows through it.
type river struct {
	*world
	server  *server
	address string
	hits    atomic.Int64  // requests that reached the upstream
	proceed chan struct{} // lets the upstream send the next event
}

// riverSites are the lines of the sites: of policy_auth, and of the site.
var riverSites = map[string][2]string{
	"plain":         {"", ""},
	"cors":          {corsSite, ""},
	"cors upstream": {"cors upstream\n", ""},
	"encode":        {"", "encode zstd gzip"},
	"both":          {corsSite, "encode {\n gzip\n minimum_length 1\n match {\n header Content-Type text*\n }\n}"},
}

func newRiver(t *testing.T) *river {
	t.Helper()
	v := &river{world: newWorld(t), proceed: make(chan struct{})}
	v.write("keys.yaml", "keys:\n  - {id: ci, owner: build, hash: \"sha256:"+sha(canary)+"\"}\n")
	upstream := httptest.NewUnstartedServer(v)
	upstream.Config.Protocols = new(http.Protocols)
	upstream.Config.Protocols.SetHTTP1(true)
	upstream.Config.Protocols.SetUnencryptedHTTP2(true)
	upstream.Start()
	t.Cleanup(upstream.Close)
	admin, listen := "127.0.0.1:"+port(t), port(t)
	config := "{\nadmin " + admin + "\nauto_https off\ndefault_bind 127.0.0.1\nservers {\n protocols h1 h2c\n}\n}\n"
	for name, lines := range riverSites {
		config += fmt.Sprintf("http://%s:%s {\npolicy_auth {\n%sidentity_headers {\n X-Auth-User id\n X-Auth-Roles roles\n }\n%s}\n%s\nreverse_proxy /h2c/* h2c://UPSTREAM\nreverse_proxy UPSTREAM\n}\n",
			riverHost(name), listen, keySite, lines[0], lines[1])
	}
	v.write("Caddyfile", strings.NewReplacer("DIR", v.dir, "UPSTREAM", upstream.Listener.Addr().String()).Replace(config))
	v.server, v.address = start(t, v.dir, "Caddyfile", admin), "127.0.0.1:"+listen
	return v
}

// riverHost returns the host of a site.
func riverHost(name string) string { return strings.ReplaceAll(name, " ", "-") + ".example.com" }

// each runs a test for each site over HTTP/1.1 and HTTP/2.
func (v *river) each(t *testing.T, test func(*testing.T, string, http.RoundTripper)) {
	for name := range riverSites {
		for version := 1; version <= 2; version++ {
			transport := &http.Transport{Proxy: nil, Protocols: new(http.Protocols), ResponseHeaderTimeout: 10 * time.Second}
			transport.Protocols.SetHTTP1(version == 1)
			transport.Protocols.SetUnencryptedHTTP2(version == 2)
			t.Cleanup(transport.CloseIdleConnections)
			t.Run(fmt.Sprintf("%s, HTTP/%d", name, version), func(t *testing.T) { test(t, riverHost(name), transport) })
		}
	}
}

// request makes a request to a site, of a known caller.
func (v *river) request(t *testing.T, method, host, path string, body io.Reader) *http.Request {
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
func (v *river) send(t *testing.T, transport http.RoundTripper, r *http.Request) *http.Response {
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

// ServeHTTP is the upstream.
func (v *river) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
		w.Header().Set("X-Checksum", r.Trailer.Get("X-Checksum"))
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	case "/echo":
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
func (v *river) events(w http.ResponseWriter) {
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

// TestE2EEvents: issue 4, points 7 and 8. Server-sent events arrive one by one
// while the answer is open.
func TestE2EEvents(t *testing.T) {
	v := newRiver(t)
	v.each(t, func(t *testing.T, host string, transport http.RoundTripper) {
		response := v.send(t, transport, v.request(t, "GET", host, "/events", nil))
		abort := time.AfterFunc(5*time.Second, func() { _ = response.Body.Close() })
		defer abort.Stop()
		reader := bufio.NewReader(response.Body)
		for i := range 5 {
			line, err := reader.ReadString('\n')
			if err != nil || line != fmt.Sprintf("data: %d\n", i) {
				t.Fatalf("event %d: %q %v", i, line, err)
			}
			_, _ = reader.ReadString('\n')
			v.proceed <- struct{}{}
		}
	})
}

// large is how much flows in one direction: more than Caddy may hold at once.
const large = 64 << 20

// stream returns a large stream, the same each time.
func stream() io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{1}), large) }

// TestE2ELarge: T-46, issue 4, points 7 and 8. What is large flows through
// unchanged, with the framing that the client chose and in bounded memory.
func TestE2ELarge(t *testing.T) {
	hash := sha256.New()
	if _, err := io.Copy(hash, stream()); err != nil {
		t.Fatal(err)
	}
	want := hex.EncodeToString(hash.Sum(nil))
	v := newRiver(t)
	before := v.memory()
	v.each(t, func(t *testing.T, host string, transport http.RoundTripper) {
		if host == riverHost("cors upstream") || host == riverHost("encode") {
			return // both has what these have
		}
		r := v.request(t, "PUT", host, "/upload", stream())
		if r.ContentLength = large; strings.HasSuffix(t.Name(), "1") {
			r.ContentLength = -1
		}
		framing := map[int64]string{large: "[]", -1: "[chunked]"}[r.ContentLength]
		body, err := io.ReadAll(v.send(t, transport, r).Body)
		if got := string(body); err != nil || got != fmt.Sprintf("%d %d %s %s", large, r.ContentLength, framing, want) {
			t.Errorf("upload: %s %v", got, err)
		}
		response := v.send(t, transport, v.request(t, "GET", host, "/download", nil))
		hash := sha256.New()
		n, err := io.Copy(hash, response.Body)
		if err != nil || n != large || response.ContentLength != large || hex.EncodeToString(hash.Sum(nil)) != want {
			t.Errorf("download: %d of %d bytes, %v", n, response.ContentLength, err)
		}
	})
	if grown := v.memory() - before; grown > large/2 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
}

// memory returns the most memory that the running Caddy ever had.
func (v *river) memory() (bytes int) {
	v.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.server.cmd.Process.Pid))
	if err != nil {
		v.t.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(peak, &bytes); err != nil {
		v.t.Fatal(err)
	}
	return bytes << 10
}

// TestE2EEarlyHints: issue 4, point 7. What comes before the answer comes
// before it, and not to the refused.
func TestE2EEarlyHints(t *testing.T) {
	v := newRiver(t)
	v.each(t, func(t *testing.T, host string, transport http.RoundTripper) {
		var hints []string
		r := v.request(t, "GET", host, "/hints", nil)
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got1xxResponse: func(status int, header textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(status, header.Get("Link")))
			return nil
		}}))
		response := v.send(t, transport, r)
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK || string(body) != "after hints" || strings.Join(hints, "") != "103</style.css>; rel=preload; as=style" {
			t.Errorf("%d %q after %q (%v)", response.StatusCode, body, hints, err)
		}
	})
}

// TestE2EBothDirections: issue 4, points 7 and 8. Both directions of one
// HTTP/2 request flow at once, as in gRPC, and its trailers come last.
func TestE2EBothDirections(t *testing.T) {
	v := newRiver(t)
	v.each(t, func(t *testing.T, host string, transport http.RoundTripper) {
		if strings.HasSuffix(t.Name(), "1") {
			return // HTTP/1.1 has no such requests
		}
		reader, writer := io.Pipe()
		r := v.request(t, "POST", host, "/h2c/echo", reader)
		r.Header.Set("Te", "trailers")
		r.Header.Set("Content-Type", "application/grpc")
		response := v.send(t, transport, r)
		abort := time.AfterFunc(5*time.Second, func() { _ = response.Body.Close() })
		defer abort.Stop()
		echoes := bufio.NewReader(response.Body)
		for i := range 5 {
			if _, err := fmt.Fprintf(writer, "%d\n", i); err != nil {
				t.Fatal(err)
			}
			if line, err := echoes.ReadString('\n'); err != nil || line != fmt.Sprintf("echo %d\n", i) {
				t.Fatalf("%q %v", line, err)
			}
		}
		_ = writer.Close()
		rest, err := io.ReadAll(echoes)
		if err != nil || len(rest) > 0 || response.Trailer.Get("Grpc-Status") != "0" || response.ProtoMajor != 2 {
			t.Errorf("%q %v %v", rest, response.Trailer, err)
		}
	})
}

// lateTrailers is a body that ends with trailers, some of them not declared.
type lateTrailers struct {
	io.Reader
	trailer http.Header
}

func (l *lateTrailers) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if err == io.EOF {
		for _, name := range []string{"X-Checksum", "X-Auth-User", "X_auth_user", "X-Auth-Roles"} {
			l.trailer[name] = []string{"root"}
		}
	}
	return n, err
}

// TestE2ETrailers: T-26, T-27, T-46. Trailers pass in both directions, but none
// says who is calling, declared or not.
func TestE2ETrailers(t *testing.T) {
	v := newRiver(t)
	v.each(t, func(t *testing.T, host string, transport http.RoundTripper) {
		for _, path := range []string{"/trailers", "/h2c/trailers"} {
			r := v.request(t, "POST", host, path, nil)
			r.Header.Set("Te", "trailers")
			r.Trailer = http.Header{"X-Checksum": nil, "X-Auth-User": nil}
			r.Body, r.ContentLength = io.NopCloser(&lateTrailers{strings.NewReader("body"), r.Trailer}), -1
			response := v.send(t, transport, r)
			body, err := io.ReadAll(response.Body)
			content, told, _ := strings.Cut(string(body), "|")
			if err != nil || content != "body" || response.Trailer.Get("Grpc-Status") != "0" || response.Trailer.Get("X-Checksum") != "root" {
				t.Errorf("%s: %s %v %v", path, body, response.Trailer, err)
			}
			if strings.Count(told, "root") != 1 || !strings.Contains(told, "X-Auth-User:[build]") {
				t.Errorf("%s: the upstream was told %s", path, told)
			}
		}
	})
}

// connect opens a connection to the running Caddy.
func (v *river) connect(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	connection, err := net.DialTimeout("tcp", v.address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
	return connection, bufio.NewReader(connection)
}
