//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"
)

// spellings ask for /admin/secret, in ways that this or that server reads so.
var spellings = []string{
	"/admin/secret", "/ADMIN/secret", "/Admin/SECRET", "//admin/secret", "///admin//secret", "/./admin/secret", "/admin/./secret", "/admin/secret/", "/admin//secret",
	"/public/../admin/secret", "/public/%2e%2e/admin/secret", "/public/%2E%2E/admin/secret", "/public/.%2e/admin/secret", "/public/..%2fadmin/secret", "/public%2f..%2fadmin%2fsecret",
	"/public/..;/admin/secret", "/public/..;x=1/admin/secret", "/public/;/../admin/secret", "/public/%2e%2e%3b/admin/secret",
	"/%61dmin/secret", "/%61%64%6d%69%6e/secret", "/%2561dmin/secret", "/admin%2fsecret", "/admin%2Fsecret", "/%2fadmin/secret", "/admin%252fsecret",
	"/admin;x/secret", "/admin;/secret", "/admin;x=1;y/secret;z", "/admin/secret;x", "/;/admin/secret", "/;x/admin/secret", "/admin%3bx/secret",
	`/admin\secret`, `/public\..\admin\secret`, `\admin\secret`, "/admin%5csecret", "/public%5c..%5cadmin%5csecret", "/%5cadmin/secret",
	"/admin./secret", "/admin%20/secret", "/admin/secret%00", "/admin%00/secret", "/admin/secret%0a", "/%00/../admin/secret",
	"/public#/../admin/secret", "/admin/secret#", "/public/open#/../../admin/secret", "/public?/../admin/secret", "/public%3f/../admin/secret", "/public/..%3f/../admin/secret",
	"/%zz/../admin/secret", "/admin%/secret", "/public/%c0%ae%c0%ae/admin/secret", "/public/%u002e%u002e/admin/secret", "/public/\u2025/admin/secret",
	"/public/open/../../admin/secret", "/public/x/..//..//admin/secret", "/..//admin/secret", "/%2e/admin/secret", "/public/%252e%252e/admin/secret",
	"https://localhost/admin/secret", "http://evil.example/admin/secret", "http:x:/admin/secret", "https:/admin/secret", "//localhost/admin/secret", "localhost/admin/secret", "admin/secret", "*",
}

// nextHandlers are what stands behind policy_auth, with the prefix below which
// each of them serves. ECHO is a server that answers with what it was asked for.
var nextHandlers = []struct{ name, prefix, site string }{
	{"file_server", "", "root DIR/www\n file_server"},
	{"reverse_proxy", "", "reverse_proxy ECHO"},
	{"try_files", "", "root DIR/www\n try_files {path} {path}/ /public/open\n file_server"},
	{"handle_path", "/app", "handle_path /app/* {\n root DIR/www\n file_server\n }"},
	{"handle_path and a proxy", "/app", "handle_path /app/* {\n reverse_proxy ECHO\n }"},
	{"strip_prefix before", "/app", "uri strip_prefix /app\n reverse_proxy ECHO"},
	{"strip_prefix after", "/app", "route {\n POLICY\n uri strip_prefix /app\n root DIR/www\n file_server\n }"},
	{"rewrite", "/app", "route {\n POLICY\n uri replace /app/ /\n reverse_proxy ECHO\n }"},
}

const pathRules = `rules:
  - paths: [PREFIX/public/*]
    allow: [{anyone: true}]
  - paths: [PREFIX/admin/*]
    allow: [{roles: [admin]}]
  - allow: [{anyone: true}]
`

// TestE2EPaths: T-12, T-13, T-14, T-15, T-16, T-17, T-18, T-20, T-21, T-54, T-55, T-59.
// However /admin/secret is spelt, over each version of HTTP and before each
// next handler, nobody but an admin gets what is there; the rule that follows is
// open to everybody, so that whatever slips past is seen.
func TestE2EPaths(t *testing.T) {
	w := newEnv(t)
	w.Write("www/admin/secret", "SECRET")
	w.Write("www/public/open", "open")
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprintf(w, "ECHO %s", r.RequestURI) }))
	defer echo.Close()
	var sites []string
	for i, next := range nextHandlers {
		rules := fmt.Sprintf("paths%d.yaml", i)
		w.Write(rules, strings.ReplaceAll(pathRules, "PREFIX", next.prefix))
		handler := "policy_auth {\n basic {\n users DIR/users.yaml\n }\n access DIR/" + rules + "\n }"
		site := strings.ReplaceAll(next.site, "ECHO", strings.TrimPrefix(echo.URL, "http://"))
		if !strings.Contains(site, "POLICY") {
			site = "POLICY\n" + site
		}
		sites = append(sites, strings.ReplaceAll(site, "POLICY", handler))
	}
	_, addresses := w.serveTLS("", sites...)
	for i, next := range nextHandlers {
		for _, wire := range wires {
			t.Run(next.name+" "+wire.name, func(t *testing.T) {
				spelt(t, wire, addresses[i], next.prefix)
			})
		}
	}
}

// spelt asks for each spelling as nobody, as a member and as an admin.
func spelt(t *testing.T, wire wire, address, prefix string) {
	if got, err := wire.send(address, query{"GET", prefix + "/public/open", "localhost", nil}); err != nil || got.status != 200 {
		t.Errorf("the public page: %+v %v", got, err)
	}
	if got, err := wire.send(address, query{"GET", prefix + "/admin/secret", "localhost", as("alice")}); err != nil || got.status != 200 || !isProtected(got.body) {
		t.Errorf("the admin: %+v %v", got, err)
	}
	for _, spelling := range spellings {
		target := prefix + spelling
		if prefix != "" && !strings.HasPrefix(spelling, "/") && !strings.HasPrefix(spelling, `\`) {
			continue // below no prefix
		}
		for _, user := range []string{"", "bob"} {
			got, err := wire.send(address, query{"GET", target, "localhost", as(user)})
			if refusedBy(t, wire.name, target, err) {
				continue
			}
			if got.status == 200 && isProtected(got.body) {
				t.Errorf("%q as %q: %d %q", target, user, got.status, got.body)
			}
			if got.status >= 500 || got.status == 200 && strings.Contains(got.body, "SECRET") {
				t.Errorf("%q as %q: %d %q", target, user, got.status, got.body)
			}
		}
	}
}

// isProtected reports whether an answer is the secret, or comes from a server
// that may read what it was asked for as a path below /admin.
func isProtected(body string) bool {
	target, isEcho := strings.CutPrefix(body, "ECHO ")
	if !isEcho {
		return strings.Contains(body, "SECRET")
	}
	target, _, _ = strings.Cut(target, "?")
	for range 2 {
		if below(target) {
			return true
		}
		decoded, err := url.PathUnescape(target)
		if err != nil {
			return false
		}
		target = decoded
	}
	return false
}

// below reports whether a lenient server reads a path as one below /admin, with
// and without what follows a semicolon.
func below(target string) bool {
	target = strings.ToLower(strings.ReplaceAll(target, `\`, "/"))
	var plain []string
	for segment := range strings.SplitSeq(target, "/") {
		segment, _, _ = strings.Cut(segment, ";")
		plain = append(plain, segment)
	}
	for _, reading := range []string{target, strings.Join(plain, "/")} {
		if clean := path.Clean("/" + reading); clean == "/admin" || strings.HasPrefix(clean, "/admin/") {
			return true
		}
	}
	return false
}
