//go:build e2e

package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/policyauth/caddy-policy-auth/test/testenv"
)

// ofWire are fields of one version of HTTP, of one moment or of one request.
var ofWire = []string{"Date", "Connection", "Alt-Svc", "X-Request-Id"}

// plain is an answer without what differs between two equal ones.
func (a answer) plain() answer {
	header := a.header.Clone()
	body := a.body
	if id := header.Get("X-Request-Id"); id != "" {
		body = strings.ReplaceAll(body, id, "ID")
	}
	for _, name := range ofWire {
		header.Del(name)
	}
	return answer{a.status, header, body}
}

// diff compares two answers.
func (a answer) diff(other answer) string {
	return cmp.Diff(a.plain(), other.plain(), cmp.AllowUnexported(answer{}), cmpopts.EquateEmpty())
}

// TestE2EAnswers: the table of product.md's section 5 is the same over HTTP/1.1, 2 and
// 3, for GET and HEAD, with conditions and ranges, and with what an earlier handler
// says of caches: R-401-1 to R-401-5, R-401-9, R-401-12, R-403-1, R-403-2, R-CH-1,
// R-CACHE-1, R-CACHE-2, R-HTTP-1, R-HTTP-2, R-HTTP-6, R-BR-6, T-42, T-47, T-59. Field names with
// a capital are an error to the readers of HTTP/2 and 3.
func TestE2EAnswers(t *testing.T) {
	w := newEnv(t)
	w.Write("www/index.html", "protected")
	w.Write("www/admin/secret", "protected")
	w.Write("www/public/open", "open")
	_, addresses := w.serveTLS("", "header {\n ETag `\"a\"`\n Cache-Control \"public, max-age=600\"\n Last-Modified \"Mon, 01 Jan 2001 00:00:00 GMT\"\n}\n"+
		"policy_auth {\n"+jwtSite+patientSite+"}\nroot DIR/www\nfile_server")
	token := "Bearer " + jwtOf(t, nil)
	all := []string{testenv.BasicLine, bearerLine, testenv.DPoPLine}
	tests := []struct {
		name, target string
		header       []string
		status       int
		challenges   []string
	}{
		{"anonymous", "/", nil, 401, all},
		{"anonymous, as a page", "/admin/secret", []string{"Accept", "text/html"}, 401, all},
		{"nothing is there", "/nothing", nil, 401, all},
		{"another scheme", "/", []string{"Authorization", "Foo x"}, 401, all},
		{"for a proxy", "/", []string{"Proxy-Authorization", token}, 401, all},
		{"wrong", "/", []string{"Authorization", "Basic eDp5"}, 401, all},
		{"an invalid token", "/public/open", []string{"Authorization", token + "x"}, 401, []string{testenv.BasicLine, bearerLine + `, error="invalid_token"`, testenv.DPoPLine}},
		{"not even a token", "/", []string{"Authorization", "Bearer a b"}, 400, []string{bearerLine + `, error="invalid_request"`}},
		{"two credentials", "/", []string{"Authorization", token, "Authorization", token}, 400, []string{
			bearerLine + `, error="invalid_request"`, strings.Replace(testenv.DPoPLine, ", ", `, error="invalid_request", `, 1),
		}},
		{"known, not allowed", "/admin/secret", as("bob"), 403, nil},
		{"a token, not allowed", "/admin/secret", []string{"Authorization", token}, 403, nil},
		{"two readings", "/public/%2e%2e/admin/secret", nil, 400, nil},
		{"public", "/public/open", nil, 200, nil},
		{"known", "/", as("bob"), 200, nil},
		{"the admin", "/admin/secret", as("alice"), 200, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var first answer
			for i, wire := range wires {
				got, err := wire.send(addresses[0], query{"GET", test.target, "localhost", test.header})
				if err != nil || got.status != test.status || isOurs(got.header) != (test.status != 200) {
					t.Fatalf("%s: %+v %v", wire.name, got, err)
				}
				if diff := cmp.Diff(test.challenges, got.header["Www-Authenticate"]); diff != "" {
					t.Errorf("%s (-want +got)\n%s", wire.name, diff)
				}
				if wire.name != "h1" && (got.header["Connection"] != nil || got.header["Keep-Alive"] != nil || got.header["Transfer-Encoding"] != nil) {
					t.Errorf("%s: %v", wire.name, got.header)
				}
				if test.status == 200 {
					continue
				}
				if i == 0 {
					first = got
				}
				if diff := first.diff(got); diff != "" {
					t.Errorf("%s (-h1 +%s)\n%s", wire.name, wire.name, diff)
				}
				likeGET(t, wire, addresses[0], query{"GET", test.target, "localhost", test.header}, got)
			}
		})
	}
}

// likeGET compares refusals of HEAD, of conditions and of ranges with that of GET.
func likeGET(t *testing.T, wire wire, address string, q query, want answer) {
	t.Helper()
	for _, more := range [][]string{nil, {"If-None-Match", "*"}, {"If-Match", `"b"`}, {"If-Modified-Since", "Mon, 01 Jan 2035 00:00:00 GMT"}, {"Range", "bytes=0-1"}} {
		for _, method := range []string{"GET", "HEAD"} {
			again := query{method, q.target, q.host, append(slices.Clone(q.header), more...)}
			got, err := wire.send(address, again)
			if err != nil || method == "HEAD" && got.body != "" {
				t.Fatalf("%s %+v: %+v %v", wire.name, again, got, err)
			}
			if method == "HEAD" {
				got.body = strings.ReplaceAll(want.body, want.header.Get("X-Request-Id"), got.header.Get("X-Request-Id"))
			}
			if diff := want.diff(got); diff != "" {
				t.Errorf("%s %s %v (-GET +got)\n%s", wire.name, method, more, diff)
			}
		}
	}
}

// TestE2EConditions: R-401-9, T-47: who may is answered 304 and 206, who may not is not.
func TestE2EConditions(t *testing.T) {
	w := newEnv(t)
	w.Write("www/page", "protected")
	_, addresses := w.serveTLS("", "policy_auth {\n"+basicSite+"}\nroot DIR/www\nfile_server")
	for _, wire := range wires {
		send := func(method, user string, header ...string) answer {
			got, err := wire.send(addresses[0], query{method, "/page", "localhost", append(as(user), header...)})
			if err != nil {
				t.Fatal(wire.name, err)
			}
			return got
		}
		etag := send("GET", "bob").header.Get("ETag")
		if etag == "" {
			t.Fatal("no ETag to ask for")
		}
		for _, test := range []struct {
			header []string
			known  int
		}{{[]string{"If-None-Match", etag}, 304}, {[]string{"Range", "bytes=0-1"}, 206}, {[]string{"If-Match", `"other"`}, 412}} {
			for _, method := range []string{"GET", "HEAD"} {
				if got := send(method, "bob", test.header...); got.status != test.known {
					t.Errorf("%s %s %v: %d", wire.name, method, test.header, got.status)
				}
				if got := send(method, "", test.header...); got.status != 401 || strings.Contains(got.body, "protected") || got.header.Get("ETag") != "" {
					t.Errorf("%s %s %v, anonymous: %+v", wire.name, method, test.header, got)
				}
			}
		}
	}
}

// TestE2EUpstreamRefuses: R-CH-10 through reverse_proxy: a proxied refusal is the
// upstream's, line by line, over each version of HTTP.
func TestE2EUpstreamRefuses(t *testing.T) {
	theirs := []string{`Digest realm=a, qop="auth,auth-int"`, "NTLM", `Basic realm="x\y"`}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Www-Authenticate"] = theirs
		w.Header().Set("ETag", `"a"`)
		w.Header().Set("Cache-Control", "max-age=60")
		w.WriteHeader(401)
		_, _ = fmt.Fprint(w, "the upstream's")
	}))
	defer upstream.Close()
	w := newEnv(t)
	_, addresses := w.serveTLS("", "policy_auth {\n"+jwtSite+basicSite+"}\nreverse_proxy "+strings.TrimPrefix(upstream.URL, "http://"))
	for _, wire := range wires {
		got, err := wire.send(addresses[0], query{"GET", "/", "localhost", as("bob")})
		if err != nil || got.status != 401 || got.body != "the upstream's" {
			t.Fatalf("%s: %+v %v", wire.name, got, err)
		}
		if diff := cmp.Diff(theirs, got.header["Www-Authenticate"]); diff != "" {
			t.Errorf("%s (-want +got)\n%s", wire.name, diff)
		}
		if isOurs(got.header) || got.header.Get("Cache-Control") != "max-age=60" || got.header.Get("ETag") != `"a"` || got.header["Vary"] != nil {
			t.Errorf("%s: %v", wire.name, got.header)
		}
	}
}

// TestE2ESameAnswer: R-401-7, W13: over the wire too, nobody can tell an unknown
// user, a wrong password and a disabled or expired account apart.
func TestE2ESameAnswer(t *testing.T) {
	w := newEnv(t)
	_, addresses := w.serveTLS("", "policy_auth {\n"+patientSite+"}\nrespond protected")
	for _, wire := range wires {
		for _, accept := range []string{"text/html", "application/json", "text/plain"} {
			var want answer
			for i, credential := range []string{"Basic " + base64.StdEncoding.EncodeToString([]byte("bob:wrong")), as("eve")[1], as("carol")[1], as("dave")[1]} {
				got, err := wire.send(addresses[0], query{"GET", "/", "localhost", []string{"Authorization", credential, "Accept", accept}})
				if err != nil || got.status != 401 || got.body == "" {
					t.Fatalf("%s: %+v %v", wire.name, got, err)
				}
				if i == 0 {
					want = got
				}
				if diff := want.diff(got); diff != "" {
					t.Errorf("%s, credential %d\n%s", wire.name, i, diff)
				}
			}
		}
	}
}
