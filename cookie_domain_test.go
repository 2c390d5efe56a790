package policyauth

import (
	"strings"
	"testing"
)

// TestN51CookieDomainAtLoad: a cookie_domain that does not cover a host of the site is
// an error at load that names both, wherever the routes say which hosts those are.
func TestN51CookieDomainAtLoad(t *testing.T) {
	w := newEnv(t)
	block := "policy_auth {\n" + strings.Replace(formSite, "session {", "session {\n cookie_domain DOMAIN", 1) + "}\nrespond ok\n"
	plain := "policy_auth {\n" + formSite + "}\nrespond ok\n"
	tests := []struct {
		name, domain, config, refused string
	}{
		{"N-51 the host", "app.example.com", "http://app.example.com {\n" + block + "}\n", ""},
		{"N-51 a host below it", "example.com", "http://app.example.com {\n" + block + "}\n", ""},
		{"N-51 in capitals", "Example.Com", "http://APP.example.com {\n" + block + "}\n", ""},
		{"N-51 another host", "example.com", "http://app.example.org {\n" + block + "}\n", "app.example.org"},
		{"N-51 a host above it", "app.example.com", "http://example.com {\n" + block + "}\n", "example.com"},
		{"N-51 a name that ends alike", "example.com", "http://badexample.com {\n" + block + "}\n", "badexample.com"},
		{"N-51 one of several", "example.com", "http://a.example.com, http://b.example.org {\n" + block + "}\n", "b.example.org"},
		{"N-51 every host of a domain", "example.com", "http://*.example.com {\n" + block + "}\n", ""},
		{"N-51 a pattern that matches it", "app.example.com", "http://*.example.com {\n" + block + "}\n", ""},
		{"N-51 every host of another", "example.com", "http://*.example.org {\n" + block + "}\n", "*.example.org"},
		{"N-51 an address", "example.com", "http://127.0.0.1 {\n" + block + "}\n", "127.0.0.1"},
		{"N-51 any host", "example.com", "http:// {\n" + block + "}\n", ""},
		{"N-51 a handle for some hosts", "example.com", "http://a.example.com, http://b.example.org {\n@a host a.example.com\nhandle @a {\n" + block + "}\n}\n", ""},
		{"N-51 a handle for another host", "example.com", "http:// {\n@b host b.example.org\nhandle @b {\n" + block + "}\n}\n", "b.example.org"},
		{"N-51 beside another site", "example.com", "http://app.example.com {\n" + block + "}\nhttp://b.example.org {\n" + plain + "}\nhttp://c.example.org:81 {\n" + plain + "}\n", ""},
		{"N-51 beside another server", "example.com", "http://app.example.org:81 {\n" + block + "}\nhttp://b.example.com:82 {\n" + plain + "}\n", "app.example.org"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := validate(strings.NewReplacer("DOMAIN", test.domain, "DIR", w.Dir).Replace("{\n storage file_system DIR/storage\n}\n" + test.config))
			switch {
			case test.refused == "" && err != nil:
				t.Error(err)
			case test.refused != "" && (err == nil || !strings.Contains(err.Error(), "cookie_domain "+strings.ToLower(test.domain)+" does not cover "+test.refused+",")):
				t.Errorf("got %v", err)
			}
		})
	}
}
