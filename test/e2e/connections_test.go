//go:build e2e

package e2e

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// smuggled is what a body holds in the hope of being read as a request.
const smuggled = "GET /public/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"

// TestE2EUnreadBody: R-401-11. What a refused request's body holds is never read
// as the next request: a body that is larger than what the server is willing to
// throw away ends the connection, a smaller one does not hold up the next request.
func TestE2EUnreadBody(t *testing.T) {
	w := newEnv(t)
	_, addresses := w.serveTLS("", "policy_auth {\n"+patientSite+"}\nrespond \"ok {uri}\"")
	tests := []struct {
		name     string
		length   int
		sent     string
		next     string
		statuses []int // of what comes back; the connection ends after the last one or says nothing more
	}{
		{"large, and only its beginning comes", 10 << 20, strings.Repeat(smuggled, 10), "", []int{401}},
		{"large, with all that came read as requests", 10 << 20, strings.Repeat(smuggled, 6000), "", []int{401}},
		{"small, then a request", len(smuggled), smuggled, "GET /public/next HTTP/1.1\r\nHost: localhost\r\n\r\n", []int{401, 200}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			connection, err := dial(addresses[0], "http/1.1")
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			go func() { // the server may hang up while we write
				_, _ = fmt.Fprintf(connection, "POST /private HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s%s", test.length, test.sent, test.next)
			}()
			reader := bufio.NewReader(connection)
			for _, status := range test.statuses {
				response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodGet})
				if err != nil || response.StatusCode != status {
					t.Fatalf("want %d, got %+v %v", status, response, err)
				}
				body, err := io.ReadAll(response.Body)
				if err != nil || strings.Contains(string(body), "smuggled") {
					t.Fatalf("%s %v", body, err)
				}
			}
			_ = connection.SetReadDeadline(time.Now().Add(time.Second))
			if response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodGet}); err == nil {
				t.Errorf("one answer too many: %d", response.StatusCode)
			}
		})
	}
}

// TestE2EConnectionHasNoIdentity: R-HTTP-3. Who was known on a connection is not
// known by it: the next request on it has to say who is calling.
func TestE2EConnectionHasNoIdentity(t *testing.T) {
	w := newEnv(t)
	_, addresses := w.serveTLS("", "policy_auth {\n"+patientSite+"}\nrespond \"ok {http.auth.user.id}\"")
	config := &tls.Config{ServerName: "localhost", InsecureSkipVerify: true}
	protocols := func(set func(*http.Protocols, bool)) *http.Transport {
		p := new(http.Protocols)
		set(p, true)
		return &http.Transport{TLSClientConfig: config.Clone(), Protocols: p, MaxConnsPerHost: 1}
	}
	overQUIC := &http3.Transport{TLSClientConfig: config.Clone()}
	defer overQUIC.Close()
	transports := map[string]http.RoundTripper{
		"h1": protocols((*http.Protocols).SetHTTP1), "h2": protocols((*http.Protocols).SetHTTP2), "h3": overQUIC,
	}
	for name, transport := range transports {
		t.Run(name, func(t *testing.T) {
			client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
			for i, known := range []bool{true, false, true, false} {
				reused := name == "h3" || i == 0 // its one connection is kept as long as the transport
				trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = reused || info.Reused }}
				r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, "https://"+addresses[0]+"/private", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Host = "localhost"
				want := http.StatusUnauthorized
				if known {
					r.SetBasicAuth("bob", canary)
					want = http.StatusOK
				}
				got, err := read(client.Do(r))
				if err != nil || got.status != want || strings.Contains(got.body, "bob") != known {
					t.Errorf("request %d: %+v %v", i, got, err)
				}
				if !reused {
					t.Errorf("request %d had a connection of its own", i)
				}
			}
		})
	}
}

// TestE2EOtherServerName: R-HTTP-4. A connection that was made for one site and
// showed no certificate does not reach another one that demands it, whatever its
// requests say.
func TestE2EOtherServerName(t *testing.T) {
	w := newEnv(t)
	admin, listen := "127.0.0.1:"+port(t), port(t)
	w.Write("Caddyfile", "{\n admin "+admin+"\n skip_install_trust\n auto_https disable_redirects\n}\n"+
		"https://localhost:"+listen+" {\n tls internal\n respond open\n}\n"+
		"https://inner.localhost:"+listen+" {\n tls {\n  issuer internal\n  client_auth {\n   mode require_and_verify\n   trust_pool inline {\n    trust_der "+authority(t)+"\n   }\n  }\n }\n"+
		" policy_auth {\n  access "+w.Dir+"/access.yaml\n  basic {\n   users "+w.Dir+"/users.yaml\n  }\n }\n respond inner\n}\n")
	start(t, w.Dir, "Caddyfile", admin)
	address := "127.0.0.1:" + listen
	eventually(t, "a certificate", func() bool {
		got, err := overHTTP2(address, query{"GET", "/", "localhost", nil})
		return err == nil && got.status == http.StatusOK
	})
	for _, wire := range wires {
		for _, header := range [][]string{nil, as("alice")} {
			got, err := wire.send(address, query{"GET", "/public/x", "inner.localhost", header})
			if err != nil || got.status != http.StatusMisdirectedRequest || strings.Contains(got.body, "inner") {
				t.Errorf("%s %v: %+v %v", wire.name, header != nil, got, err)
			}
		}
	}
}

// authority returns a certificate authority of nobody, DER in base64.
func authority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// TestE2EHTTP10: a client of HTTP/1.0 is judged like every other one, whatever it
// asks of the connection.
//
// T-47
func TestE2EHTTP10(t *testing.T) {
	w := newEnv(t)
	_, addresses := w.serveTLS("", "policy_auth {\n"+patientSite+"}\nrespond \"ok {http.auth.user.id}\"")
	for name, test := range map[string]struct {
		header []string
		want   int
	}{
		"nobody":               {nil, http.StatusUnauthorized},
		"nobody, kept alive":   {[]string{"Connection", "keep-alive"}, http.StatusUnauthorized},
		"nobody, with a range": {[]string{"Range", "bytes=0-1", "If-None-Match", "*"}, http.StatusUnauthorized},
		"somebody":             {as("bob"), http.StatusOK},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			got, err := overVersion("HTTP/1.0", addresses[0], query{method, "/private", "localhost", test.header})
			if err != nil || got.status != test.want || strings.Contains(got.body, "ok") != (test.want == http.StatusOK && method == "GET") {
				t.Errorf("%s %s: %+v %v", name, method, got, err)
			}
		}
	}
}
