package policyauth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/test/testenv"
)

// edited are the headers of ours that a site's header directive edits.
var edited = []string{
	"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Max-Age",
	"Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Vary", "Cache-Control", "WWW-Authenticate", "Content-Security-Policy",
}

// TestHeaderEdits: T-67. Caddy's header directive edits values in place; what it
// does to one answer changes neither the next one nor another site's.
func TestHeaderEdits(t *testing.T) {
	w := newEnv(t)
	auth := strings.ReplaceAll("policy_auth {\n"+basicSite+"cors {\n origins "+origin+"\n credentials\n expose X-Total\n }\n}\nrespond protected\n", "DIR", w.Dir)
	edits := ""
	for _, name := range edited {
		edits += "header >" + name + " ^(.*)$ \"$1!\"\n"
	}
	server := httptest.NewServer(w.together("{\nauto_https off\n}\nhttp://edited.example.com:8080 {\n" + edits + auth + "}\nhttp://plain.example.com:8080 {\n" + auth + "}\n"))
	t.Cleanup(server.Close)
	requests := map[string]http.Header{
		"preflight":        {"Access-Control-Request-Method": {"PUT"}, "Access-Control-Request-Headers": {"authorization,content-type"}},
		"simple preflight": {"Access-Control-Request-Method": {"GET"}},
		"refused":          {},
		"allowed":          {"Authorization": {basicOf("alice")}},
	}
	for name, header := range requests {
		t.Run(name, func(t *testing.T) {
			ask := func(host string) http.Header {
				r := httptest.NewRequest(http.MethodGet, "http://"+host, nil)
				if strings.Contains(name, "preflight") {
					r.Method = http.MethodOptions
				}
				r.Header = header.Clone()
				r.Header.Set("Origin", origin)
				response, _ := testenv.Exchange(t, server.Listener.Addr().String(), r)
				return response.Header
			}
			before := ask("plain.example.com")
			first, second := ask("edited.example.com"), ask("edited.example.com")
			after := ask("plain.example.com")
			count := 0
			for _, name := range edited {
				plain := strings.Join(before.Values(name), "|")
				if got := strings.Join(after.Values(name), "|"); got != plain {
					t.Errorf("%s was %q and is %q", name, plain, got)
				}
				for _, header := range []http.Header{first, second} {
					if got := strings.Join(header.Values(name), "|"); plain != "" && strings.Count(got, "!") != strings.Count(plain, "|")+1 {
						t.Errorf("%s was edited to %q", name, got)
					}
				}
				count += len(before.Values(name))
			}
			if count < 3 {
				t.Errorf("only %d values to edit: %v", count, before)
			}
		})
	}
}
