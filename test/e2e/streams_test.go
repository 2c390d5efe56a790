//go:build e2e

package e2e

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"strings"
	"testing"
	"time"
)

// TestE2EEvents: issue 4, points 7 and 8. Server-sent events arrive one by one
// while the answer is open.
func TestE2EEvents(t *testing.T) {
	v := newPipeline(t)
	v.each(t, []int{1, 2}, func(t *testing.T, host string, transport http.RoundTripper) {
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

// TestE2ELarge: T-46, issue 4, points 7 and 8. What is large flows through
// unchanged, with the framing that the client chose and in bounded memory.
func TestE2ELarge(t *testing.T) {
	hash := sha256.New()
	if _, err := io.Copy(hash, stream()); err != nil {
		t.Fatal(err)
	}
	want := hex.EncodeToString(hash.Sum(nil))
	v := newPipeline(t)
	before := v.memory()
	v.each(t, []int{1, 2}, func(t *testing.T, host string, transport http.RoundTripper) {
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
func (v *pipeline) memory() (bytes int) {
	v.T.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.server.cmd.Process.Pid))
	if err != nil {
		v.T.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(peak, &bytes); err != nil {
		v.T.Fatal(err)
	}
	return bytes << 10
}

// TestE2EEarlyHints: issue 4, point 7. What comes before the answer comes
// before it, and not to the refused.
func TestE2EEarlyHints(t *testing.T) {
	v := newPipeline(t)
	v.each(t, []int{1, 2}, func(t *testing.T, host string, transport http.RoundTripper) {
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

// TestE2EBidirectionalStream: issue 4, points 7 and 8. Both directions of one
// HTTP/2 request flow at once, as in gRPC, and its trailers come last.
func TestE2EBidirectionalStream(t *testing.T) {
	v := newPipeline(t)
	v.each(t, []int{2}, func(t *testing.T, host string, transport http.RoundTripper) {
		reader, writer := io.Pipe()
		r := v.request(t, "POST", host, "/h2c/echo", reader)
		r.Header.Set("Te", "trailers")
		r.Header.Set("Content-Type", "application/grpc")
		response := v.send(t, transport, r)
		abort := time.AfterFunc(5*time.Second, func() { _ = response.Body.Close() })
		defer abort.Stop()
		echoes := bufio.NewReader(response.Body)
		if line, err := echoes.ReadString('\n'); err != nil || line != "ready\n" {
			t.Fatalf("%q %v", line, err)
		}
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

// TestE2ETrailers: R-BR-13, T-26, T-27, T-46. Trailers pass in both directions, but none
// says who is calling, declared or not.
func TestE2ETrailers(t *testing.T) {
	v := newPipeline(t)
	v.each(t, []int{1, 2}, func(t *testing.T, host string, transport http.RoundTripper) {
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

// TestE2EContinue: R-401-10, T-46. A client that waits to be told to
// continue is told so if allowed; if not, it is refused without sending.
func TestE2EContinue(t *testing.T) {
	v := newPipeline(t)
	for name := range pipelineSites {
		t.Run(name, func(t *testing.T) {
			ask := func(more string) (*http.Response, *bufio.Reader, io.Writer) {
				connection, reader := v.connect(t)
				if _, err := fmt.Fprintf(connection, "PUT /upload HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nExpect: 100-continue\r\nContent-Length: 4\r\n%s\r\n", pipelineHost(name), origin, more); err != nil {
					t.Fatal(err)
				}
				response, err := http.ReadResponse(reader, nil)
				if err != nil {
					t.Fatal(err)
				}
				return response, reader, connection
			}
			hits := v.hits.Load()
			if response, _, _ := ask(""); response.StatusCode != http.StatusUnauthorized || !response.Close || v.hits.Load() != hits {
				t.Errorf("a stranger: %d %v", response.StatusCode, response.Header)
			}
			response, reader, writer := ask("X-Api-Key: " + canary + "\r\n")
			if response.StatusCode != http.StatusContinue {
				t.Fatalf("%d", response.StatusCode)
			}
			if _, err := io.WriteString(writer, "body"); err != nil {
				t.Fatal(err)
			}
			for response.StatusCode == http.StatusContinue { // the upstream's may follow Caddy's own
				var err error
				if response, err = http.ReadResponse(reader, nil); err != nil {
					t.Fatal(err)
				}
			}
			body, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != http.StatusOK || !strings.HasPrefix(string(body), "4 4 [] ") {
				t.Errorf("%d %s %v", response.StatusCode, body, err)
			}
		})
	}
}
