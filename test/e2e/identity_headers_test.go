//go:build e2e

package e2e

import (
	"net/url"
	"strings"
	"testing"
)

// TestE2E_N45EncodedHeaders: an upstream reads names with umlauts and items with commas from
// the identity headers of the running server.
func TestE2E_N45EncodedHeaders(t *testing.T) {
	w := newEnv(t)
	site := "policy_auth {\n" + jwtSite + "identity_headers {\n X-Name name\n X-Roles roles\n ENCODING\n }\n}\nrespond `{http.request.header.X-Name}|{http.request.header.X-Roles}`"
	token := jwtOf(t, map[string]any{"name": "Zoë Müller 100%", "roles": []string{"a,b", "ü"}})
	for encoding, want := range map[string]string{
		"": "Zo%C3%AB M%C3%BCller 100%25|a%2Cb,%C3%BC", "encoding rfc8187": "UTF-8''Zo%C3%AB%20M%C3%BCller%20100%25|UTF-8''a%2Cb,UTF-8''%C3%BC", "encoding omit": "|",
	} {
		_, at := w.serve(strings.Replace(site, "ENCODING", encoding, 1))
		status, _, body := do(t, "GET", at+"/", "", "Authorization", "Bearer "+token, "X-Name", "admin", "X-Roles", "admin")
		if status != 200 || body != want {
			t.Errorf("%s: %d %q, want %q", encoding, status, body, want)
		}
		if name, _, _ := strings.Cut(body, "|"); encoding == "" {
			if decoded, err := url.PathUnescape(name); err != nil || decoded != "Zoë Müller 100%" {
				t.Errorf("%v %q", err, decoded)
			}
		}
	}
}
