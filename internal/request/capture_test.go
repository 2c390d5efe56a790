package request

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

const keptSecret = "canary-4711-test-material-only"

// opened returns a request as it is judged, and its facts.
func opened(target string, change func(*http.Request, *Metadata)) *Request {
	r := httptest.NewRequest("GET", target, nil)
	r.Header["Accept"] = []string{"a/b", "c/d"}
	r.Header.Set("Authorization", "Bearer "+keptSecret)
	r.Header.Set("X-Key", keptSecret)
	facts := Metadata{ID: func() string { return "an-id" }, Time: time.Unix(1, 2), ClientIP: "192.0.2.1", PeerIP: "192.0.2.2"}
	if change != nil {
		change(r, &facts)
	}
	return New(r, facts, &Config{CredentialHeaders: []string{"X-Key"}, CredentialParameters: []string{"key"}})
}

// requestsToKeep are requests by what is unusual of them.
var requestsToKeep = map[string]func() *Request{
	"usual":            func() *Request { return opened("/a/b/?c=d&c=e", nil) },
	"many segments":    func() *Request { return opened("/1/2/3/4/5/6/7/8/9/10", nil) },
	"several readings": func() *Request { return opened("/a%2fb;c//d%25", nil) },
	"a WebDAV request": func() *Request { return opened("/a", header("Destination", "https://b.example/c")) },
	"an upgrade":       func() *Request { return opened("/a", header("Upgrade", "websocket", "Connection", "upgrade")) },
	"forwarding":       func() *Request { return opened("/a", header("X-Forwarded-Proto", "https", "Forwarded", "for=x")) },
	"gRPC":             func() *Request { return opened("/a", header("Content-Type", "application/grpc+proto")) },
	"not UTF-8":        func() *Request { return opened("/a?b=%ff", header("X-A", "\xff", "X-\xff", "b")) },
	"spellings":        func() *Request { return opened("/a", header("X_A", "1", "X-A", "2", "X-Http_Method-Override", "PUT")) },
	"HTTP/3, a body":   func() *Request { return opened("https://a.example:8443/a", http3) },
	"a trusted proxy":  func() *Request { return opened("/a", trusted) },
	"a foreign bearer": func() *Request { r := opened("/a", nil); r.SetForeignBearer(true); return r },
	"a hidden body":    func() *Request { r := opened("/a", nil); r.WithholdBody(); return r },
	"rewritten": func() *Request {
		return opened("/a", func(r *http.Request, f *Metadata) { u := *r.URL; f.URL = &u; r.URL.Path = "/b" })
	},
	"a cookie": func() *Request { return opened("/a?b=c", header("Cookie", keptSecret)) },
}

func header(lines ...string) func(*http.Request, *Metadata) {
	return func(r *http.Request, _ *Metadata) {
		for i := 0; i < len(lines); i += 2 {
			r.Header[lines[i]] = []string{lines[i+1]}
		}
	}
}

func http3(r *http.Request, _ *Metadata) {
	r.Proto, r.ProtoMajor, r.ContentLength = "HTTP/3.0", 3, 7
	r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, ServerName: "a.example", NegotiatedProtocol: "h3"}
}

func trusted(r *http.Request, f *Metadata) {
	f.TrustedProxy = true
	header("X-Forwarded-Proto", "https", "X-Forwarded-For", "192.0.2.7")(r, f)
}

// TestKept: what is kept of a request shows what the request showed, whatever becomes
// of that, and has no credential.
func TestKept(t *testing.T) {
	for name, open := range requestsToKeep {
		t.Run(name, func(t *testing.T) {
			r := open()
			for i := range r.Readings() {
				reading := &r.Readings()[i]
				want := r.Document(*reading, authenticator.Anonymous(), authenticator.ReasonTokenExpired, nil, AllFields)
				kept := new(Capture)
				if !kept.Take(r, reading, 16<<10) {
					t.Fatal("it is not kept")
				}
				if strings.Contains(fmt.Sprintf("%+v", *kept), keptSecret) {
					t.Error("a credential is kept")
				}
				if diff := cmp.Diff(want, kept.Document(authenticator.Anonymous(), authenticator.ReasonTokenExpired, nil), cmpopts.IgnoreUnexported(authenticator.Identity{})); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// TestKeptAlone: handlers that change the request afterwards change nothing of what is
// kept.
func TestKeptAlone(t *testing.T) {
	r := opened("/a/b?c=d", nil)
	kept := new(Capture)
	if !kept.Take(r, &r.Readings()[0], 16<<10) {
		t.Fatal("it is not kept")
	}
	want := kept.Document(authenticator.Anonymous(), "", nil)
	for name, lines := range r.http.Header {
		lines[0] = "changed"
		r.http.Header["X-"+name] = lines
	}
	r.http.URL.Path, r.http.URL.RawQuery, r.http.Host = "/changed", "changed", "changed"
	r.readings[0].Segments[0] = "changed"
	if diff := cmp.Diff(want, kept.Document(authenticator.Anonymous(), "", nil), cmpopts.IgnoreUnexported(authenticator.Identity{})); diff != "" {
		t.Error(diff)
	}
}

// TestNotKept: what is large, holds on to a certificate or has a credential in its query
// is not kept.
func TestNotKept(t *testing.T) {
	long := strings.Repeat("a", 16<<10)
	tests := map[string]*Request{
		"a long path":                  opened("/"+long, nil),
		"a long query":                 opened("/?"+long, nil),
		"a long header":                opened("/", header("A", long)),
		"a long credential":            opened("/", header("Authorization", long)),
		"many empty lines":             opened("/", func(r *http.Request, _ *Metadata) { r.Header["A"] = make([]string, 1000) }),
		"no line":                      opened("/", func(r *http.Request, _ *Metadata) { r.Header["A"] = nil }),
		"a long line before a rewrite": opened("/", func(r *http.Request, f *Metadata) { f.URL, f.RequestURI = r.URL, "/"+long }),
		"a long server name":           opened("/", func(r *http.Request, _ *Metadata) { r.TLS = &tls.ConnectionState{ServerName: long} }),
		"a client certificate": opened("/", func(r *http.Request, _ *Metadata) {
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
		}),
		"a credential in the query":             opened("/?a=b&key="+keptSecret, nil),
		"a credential in the query, in escapes": opened("/?%6bey="+keptSecret, nil),
	}
	for name, r := range tests {
		t.Run(name, func(t *testing.T) {
			if new(Capture).Take(r, &r.Readings()[0], 16<<10) {
				t.Error("it is kept")
			}
		})
	}
}
