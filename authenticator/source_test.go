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

// TestCarriedIn: which header holds a credential.
func TestCarriedIn(t *testing.T) {
	for source, want := range map[Source]string{
		FromScheme("bearer"): "Authorization", FromHeader("x-key"): "X-Key", FromCookie("id"): "Cookie", FromQuery("token"): "", {}: "",
	} {
		if got := source.CarriedIn(); got != want {
			t.Errorf("%+v: %q", source, got)
		}
	}
}
