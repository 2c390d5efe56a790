//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestE2ECORS: R-CORS-1, R-CORS-2, R-CORS-4, R-CORS-5, R-CORS-6, R-CORS-9, R-CORS-10, R-CORS-11,
// R-CORS-12, R-CORS-15, R-CORS-17, R-CORS-18, R-CORS-22, T-43, T-44. The table of CORS, over each
// version of HTTP, before an upstream that has ideas of its own.
func TestE2ECORS(t *testing.T) {
	const app = "https://app.example.com"
	var preflights atomic.Int64
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			preflights.Add(1)
		}
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Add("Access-Control-Allow-Origin", "https://evil.example")
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.Header().Set("Vary", "Accept-Encoding")
		_, _ = fmt.Fprint(w, "upstream")
	}))
	defer upstream.Close()
	w := newEnv(t)
	_, addresses := w.serveTLS("", "policy_auth {\n"+basicSite+"\n cors {\n origins "+app+" https://*.wild.example.com\n credentials\n }\n }\n reverse_proxy "+strings.TrimPrefix(upstream.URL, "http://"))
	preflight := func(origin, method string, more ...string) []string {
		return append([]string{"Origin", origin, "Access-Control-Request-Method", method}, more...)
	}
	tests := []struct {
		name   string
		q      query
		status int
		origin string // of Access-Control-Allow-Origin, or "" for none of these headers
	}{
		{"a preflight", query{"OPTIONS", "/mail", "localhost", preflight(app, "PUT", "Access-Control-Request-Headers", "authorization,content-type")}, 204, app},
		{"a preflight of a subdomain", query{"OPTIONS", "/mail", "localhost", preflight("https://a.wild.example.com", "GET")}, 204, "https://a.wild.example.com"},
		{"a preflight for nothing", query{"OPTIONS", "/no/such/thing", "localhost", preflight(app, "GET")}, 204, app},
		{"of the apex", query{"OPTIONS", "/mail", "localhost", preflight("https://wild.example.com", "GET")}, 403, ""},
		{"of a stranger", query{"OPTIONS", "/mail", "localhost", preflight("https://app.example.com.evil.example", "GET")}, 403, ""},
		{"of null", query{"OPTIONS", "/mail", "localhost", preflight("null", "GET")}, 403, ""},
		{"of another port", query{"OPTIONS", "/mail", "localhost", preflight(app+":444", "GET")}, 403, ""},
		{"of another scheme", query{"OPTIONS", "/mail", "localhost", preflight("http://app.example.com", "GET")}, 403, ""},
		{"for another method", query{"OPTIONS", "/mail", "localhost", preflight(app, "PURGE")}, 403, ""},
		{"for a method in lower case", query{"OPTIONS", "/mail", "localhost", preflight(app, "patch")}, 403, ""},
		{"for another header", query{"OPTIONS", "/mail", "localhost", preflight(app, "GET", "Access-Control-Request-Headers", "x-other")}, 403, ""},
		{"OPTIONS without a method to come", query{"OPTIONS", "/mail", "localhost", []string{"Origin", app}}, 401, app},
		{"OPTIONS without an origin", query{"OPTIONS", "/mail", "localhost", []string{"Access-Control-Request-Method", "GET"}}, 401, ""},
		{"nobody", query{"GET", "/mail", "localhost", []string{"Origin", app}}, 401, app},
		{"nobody, of a stranger", query{"GET", "/mail", "localhost", []string{"Origin", "https://evil.example"}}, 401, ""},
		{"nobody, of two origins", query{"GET", "/mail", "localhost", []string{"Origin", app, "Origin", "https://evil.example"}}, 401, ""},
		{"forbidden", query{"GET", "/admin/", "localhost", append(as("bob"), "Origin", app)}, 403, app},
		{"refused by its path", query{"GET", "/a/%2e%2e/b", "localhost", []string{"Origin", app}}, 400, app},
		{"allowed", query{"GET", "/mail", "localhost", append(as("bob"), "Origin", app)}, 200, app},
		{"allowed, of a stranger", query{"GET", "/mail", "localhost", append(as("bob"), "Origin", "https://evil.example")}, 200, ""},
		{"allowed, of nobody's page", query{"GET", "/mail", "localhost", as("bob")}, 200, ""},
	}
	for _, wire := range wires {
		for _, test := range tests {
			got, err := wire.send(addresses[0], test.q)
			if err != nil || got.status != test.status {
				t.Errorf("%s, %s: %d %v, want %d", wire.name, test.name, got.status, err, test.status)
				continue
			}
			origins := got.header["Access-Control-Allow-Origin"]
			if test.origin == "" && len(origins) > 0 || test.origin != "" && (len(origins) != 1 || origins[0] != test.origin || got.header.Get("Access-Control-Allow-Credentials") != "true") {
				t.Errorf("%s, %s: %v", wire.name, test.name, got.header)
			}
			if !strings.Contains(strings.Join(got.header["Vary"], ","), "Origin") {
				t.Errorf("%s, %s: Vary is %q", wire.name, test.name, got.header["Vary"])
			}
			if exposed := strings.ToLower(got.header.Get("Access-Control-Expose-Headers")); test.origin != "" && test.q.method == "GET" && !strings.Contains(exposed, "www-authenticate") {
				t.Errorf("%s, %s: exposes %q", wire.name, test.name, exposed)
			}
			// R-CORS-20
			if private := got.header.Get("Access-Control-Allow-Private-Network"); private != "" {
				t.Errorf("%s, %s: private network %s", wire.name, test.name, private)
			}
		}
	}
	if n := preflights.Load(); n != 0 {
		t.Errorf("%d preflights reached the upstream", n)
	}
}
