package authn

import (
	"crypto/tls"
	"net/http/httptest"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestSourceReads: where a credential is looked for, and where a request cannot have one.
func TestSourceReads(t *testing.T) {
	plain := authenticator.Source{Cookie: "id", PlainHTTPOnly: true}
	tests := []struct {
		name   string
		source authenticator.Source
		method string
		https  bool
		found  int
	}{
		{"a parameter", authenticator.FromQuery("token"), "GET", true, 1},
		{"a parameter of HEAD", authenticator.FromQuery("token"), "HEAD", true, 1},
		{"a parameter of POST", authenticator.FromQuery("token"), "POST", true, 0},
		{"another parameter", authenticator.FromQuery("toke"), "GET", true, 0},
		{"a header", authenticator.FromHeader("x-key"), "POST", true, 1},
		{"a scheme", authenticator.FromScheme("badge"), "POST", true, 1},
		{"another scheme", authenticator.FromScheme("badg"), "GET", true, 0},
		{"a cookie", authenticator.FromCookie("id"), "POST", true, 1},
		{"a cookie in another case", authenticator.FromCookie("ID"), "GET", true, 0},
		{"a cookie of plain HTTP", plain, "GET", false, 1},
		{"a cookie of plain HTTP, over HTTPS", plain, "GET", true, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, "http://example.com/?token=a", nil)
			if test.https {
				r.TLS = new(tls.ConnectionState)
			}
			r.Header.Set("X-Key", "a")
			r.Header.Set("Authorization", "Badge a")
			r.Header.Set("Cookie", "id=a")
			found := 0
			eachCredential(r, test.source, func(value string) {
				if found++; value != "a" {
					t.Errorf("%q", value)
				}
			})
			if found != test.found {
				t.Errorf("%d found", found)
			}
		})
	}
}

// TestInsecureCookie: a cookie that could be overheard is not verified, and leaves its
// caller anonymous.
func TestInsecureCookie(t *testing.T) {
	method := &fake{name: "cookie", source: authenticator.FromCookie("id"), accept: "good"}
	chain, err := NewChain([]Method{{Name: "cookie", Authenticator: method}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "id=good")
	if got := chain.Identify(r, false); got.Verdict != authenticator.Absent || got.Reason != authenticator.ReasonInsecureTransport || method.asked != 0 {
		t.Errorf("got %+v, asked %d times", got, method.asked)
	}
}
