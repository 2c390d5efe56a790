package authenticator

import "testing"

// TestSourceCheck: which sources a request can have.
func TestSourceCheck(t *testing.T) {
	for _, test := range []struct {
		name   string
		source Source
		valid  bool
	}{
		{"a scheme", FromScheme("Bearer"), true},
		{"a header", FromHeader("x-api-key"), true},
		{"a cookie", FromCookie("__Host-id"), true},
		{"a cookie of a domain", Source{Cookie: "id", CookieDomain: "example.com", PlainHTTPOnly: true}, true},
		{"a parameter", FromQuery("access_token"), true},
		{"the certificate", FromCertificate(), true},
		{"the whole request", FromRequest(), true},
		{"the whole request, not of a browser", Source{Request: true, NotBrowserAttached: true}, true},
		{"a certificate, not of a browser", Source{Certificate: true, NotBrowserAttached: true}, false},
		{"a cookie, not of a browser", Source{Cookie: "id", NotBrowserAttached: true}, false},
		{"a header, not of a browser", Source{Header: "X-Key", NotBrowserAttached: true}, false},
		{"the certificate and the request", Source{Certificate: true, Request: true}, false},
		{"the certificate and a header", Source{Certificate: true, Header: "Client-Cert"}, false},
		{"the request and a cookie", Source{Request: true, Cookie: "id"}, false},
		{"nothing", Source{}, false},
		{"an empty header", FromHeader(""), false},
		{"two", Source{Scheme: "bearer", Cookie: "id"}, false},
		{"a scheme in upper case", Source{Scheme: "Bearer"}, false},
		{"a header that is not canonical", Source{Header: "x-api-key"}, false},
		{"a scheme with a space", FromScheme("Bearer x"), false},
		{"a header with a line end", FromHeader("a\r\nb"), false},
		{"a cookie with an equals sign", FromCookie("a=b"), false},
		{"a parameter with a space", FromQuery("a b"), false},
		{"a header with a domain", Source{Header: "A", CookieDomain: "example.com"}, false},
		{"a header of plain HTTP", Source{Header: "A", PlainHTTPOnly: true}, false},
		{"all of Authorization", FromHeader("authorization"), false},
		{"all of Cookie", FromHeader("Cookie"), false},
		{"Host", FromHeader("host"), false},
	} {
		if err := test.source.Check(); (err == nil) != test.valid {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if FromScheme("BEARER") != FromScheme("bearer") || FromHeader("X-KEY") != FromHeader("x-key") || FromCookie("A") == FromCookie("a") {
		t.Error("which sources are equal is wrong")
	}
}

// TestAmbient: which credentials count only if the client chose none.
func TestAmbient(t *testing.T) {
	for source, want := range map[Source]bool{
		FromScheme("Basic"): false, FromHeader("x-key"): false, FromQuery("token"): false, {}: false,
		FromCookie("id"): true, FromCertificate(): true, FromRequest(): true,
	} {
		if source.Ambient() != want {
			t.Errorf("%+v: want %v", source, want)
		}
	}
}

// TestProofHeader: only the scheme DPoP has a proof.
func TestProofHeader(t *testing.T) {
	for source, want := range map[Source]string{
		FromScheme("DPoP"): "Dpop", FromScheme("Bearer"): "", FromHeader("DPoP"): "", FromCookie("dpop"): "", {}: "",
	} {
		if got := source.ProofHeader(); got != want {
			t.Errorf("%+v: %q", source, got)
		}
	}
}

// TestCarriedIn: which header holds a credential.
func TestCarriedIn(t *testing.T) {
	for source, want := range map[Source]string{
		FromScheme("bearer"): "Authorization", FromHeader("x-key"): "X-Key", FromCookie("id"): "Cookie", FromQuery("token"): "", {}: "",
		FromCertificate(): "", FromRequest(): "",
	} {
		if got := source.CarriedIn(); got != want {
			t.Errorf("%+v: %q", source, got)
		}
	}
}
