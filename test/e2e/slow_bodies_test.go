//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// stalled is a connection that announces a body of 1 MB and sends none of it.
func stalled(t *testing.T, address string) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	if _, err := fmt.Fprint(connection, "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return connection
}

// TestE2E_N11SlowBodies: 100 connections that announce 1 MB each and send nothing
// take less than 10 MB, do not hold up a client of another network, and are let go
// after ten seconds, over each version of HTTP.
func TestE2E_N11SlowBodies(t *testing.T) {
	w := newEnv(t)
	w.Write("policies/authz.rego", "package caddy.authz\n\ndefault allow := false\n\nallow if count(input.request.body) > 0\n")
	_, addresses := w.serveTLS("", "policy_auth {\n policies DIR/policies\n}\nrespond ok")
	plain, url := w.serve("policy_auth {\n policies DIR/policies\n}\nrespond ok")
	if status, _, err := post(http.DefaultClient, url+"/", []byte(`{"a": 1}`), 0); status != 200 || err != nil {
		t.Fatalf("%d, %v", status, err)
	}
	before := plain.allocated()
	start := time.Now()
	var waiting []net.Conn
	for range 100 {
		waiting = append(waiting, stalled(t, strings.TrimPrefix(url, "http://")))
	}
	eventually(t, "100 bodies are being read", func() bool {
		_, _, stacks := do(t, "GET", plain.admin+"/debug/pprof/goroutine?debug=2", "")
		return strings.Count(stacks, "/internal/request.(*Request).receiveBody(") >= 100
	})
	now := plain.allocated()
	t.Logf("memory %d bytes, with 100 bodies under way %d", before, now)
	if before == 0 || now-before >= 10<<20 {
		t.Errorf("N-11 memory grows from %d bytes to %d", before, now)
	}
	var versions sync.WaitGroup
	for version, transport := range slowTransports(t) {
		versions.Go(func() {
			status, took, err := postNothing(transport, "https://"+addresses[0]+"/")
			if status != http.StatusRequestTimeout || took < 9*time.Second || took > 14*time.Second {
				t.Errorf("N-11 %s: %d after %s, %v", version, status, took, err)
			}
		})
	}
	other := &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 9, 1)}}).DialContext}}
	defer other.CloseIdleConnections()
	for range 20 {
		asked := time.Now()
		status, _, err := post(other, url+"/", largeBody(), 0)
		if took := time.Since(asked); status != 200 || err != nil || took > 2*time.Second {
			t.Errorf("N-11 another's body: %d, %v after %s", status, err, took)
		}
		time.Sleep(50 * time.Millisecond)
	}
	for i, connection := range waiting {
		_ = connection.SetReadDeadline(start.Add(15 * time.Second))
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil || response.StatusCode != http.StatusRequestTimeout || !response.Close {
			t.Fatalf("N-11 connection %d after %s: %+v, %v", i, time.Since(start), response, err)
		}
		if body, err := io.ReadAll(response.Body); err != nil || !bytes.Contains(body, []byte("body_timeout")) {
			t.Fatalf("N-11 connection %d: %s, %v", i, body, err)
		}
	}
	versions.Wait()
}

// slowTransports are a transport for each version of HTTP.
func slowTransports(t *testing.T) map[string]http.RoundTripper {
	config := &tls.Config{ServerName: "localhost", InsecureSkipVerify: true}
	first, second := new(http.Protocols), new(http.Protocols)
	first.SetHTTP1(true)
	second.SetHTTP2(true)
	third := &http3.Transport{TLSClientConfig: config.Clone()}
	t.Cleanup(func() { _ = third.Close() })
	return map[string]http.RoundTripper{
		"HTTP/1.1": &http.Transport{TLSClientConfig: config.Clone(), Protocols: first},
		"HTTP/2":   &http.Transport{TLSClientConfig: config.Clone(), Protocols: second},
		"HTTP/3":   third,
	}
}

// postNothing announces a body, sends nothing of it and returns the answer's status.
func postNothing(transport http.RoundTripper, url string) (status int, took time.Duration, err error) {
	body, never := io.Pipe()
	defer never.Close()
	r, err := http.NewRequest("POST", url, body)
	if err != nil {
		return 0, 0, err
	}
	r.ContentLength, r.Host = 1_000_000, "localhost"
	start := time.Now()
	response, err := transport.RoundTrip(r)
	if err != nil {
		return 0, time.Since(start), err
	}
	defer response.Body.Close()
	return response.StatusCode, time.Since(start), nil
}
