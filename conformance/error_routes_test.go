package conformance

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// TestT26ErrorRoutes: T-26, S-22, S-23. Whatever error leaves the handler, at whichever step,
// error routes see neither a forged identity header nor ours, no credential and no cookie of
// ours.
func TestT26ErrorRoutes(t *testing.T) {
	w := newEnv(t)
	w.Match = `[{"not": [{"path": ["/free/*"]}]}]`
	h, _ := w.site(formSite + "basic {\n users DIR/users.yaml\n }\n" + identityBlock + "identity_headers {\n Remote-User username\n }\nerror_pages delegate\nconceal\nme\ncors upstream\n")
	b := visitor(t, h)
	b.SignIn("/x", "alice", canary)
	preflight := get("/x%3f_method=DELETE", "Origin", origin, "Access-Control-Request-Method", "PUT")
	preflight.Method = http.MethodOptions
	known := func(r *http.Request) *http.Request {
		for name, value := range b.Cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		return r
	}
	failing := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		return caddyhttp.Error(http.StatusBadGateway, errors.New("the application is down"))
	})
	for name, r := range map[string]*http.Request{
		"denied":                  get("/admin/x"),
		"concealed":               asUser(get("/admin/x"), "bob"),
		"a wrong password":        basic(get("/x"), "alice", "wrong"),
		"two credentials":         get("/x", "Authorization", "Basic YTpi", "Authorization", "Basic YTpi"),
		"an ambiguous path":       get("/a/%2e%2e/b"),
		"early data":              post("/x", "Early-Data", "1"),
		"who is signed in":        get("/.policy_auth/me", "Sec-Fetch-Site", "cross-site"),
		"who is signed in, no":    get("/.policy_auth/me"),
		"a service worker":        get("/sw.js", "Service-Worker", "script"),
		"a preflight":             preflight,
		"a request that is free":  get("/free/x"),
		"an allowed request":      asUser(get("/x"), "alice"),
		"an upgrade":              get("/admin/x", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
		"a session's request":     known(get("/x")),
		"a session's denied":      known(get("/admin/other")),
		"a session, from outside": known(post("/x", "Sec-Fetch-Site", "cross-site")),
	} {
		for _, spelling := range []string{"X-Identity-JWT", "X-Identity-Jwt", "x_identity_jwt", "Remote-User", "remote_user"} {
			r.Header[spelling] = []string{"forged"}
		}
		r.Header.Add("Cookie", "theme=dark; policy_auth=s3cret; __Host-policy_auth_guest=s3cret")
		_, err := ask(h, r, failing)
		var failure caddyhttp.HandlerError
		if !errors.As(err, &failure) {
			t.Errorf("%s: no error: %v", name, err)
			continue
		}
		for header, lines := range r.Header {
			folded := strings.ToLower(strings.ReplaceAll(header, "_", "-"))
			if folded == "authorization" || folded == "x-identity-jwt" || folded == "upgrade" || strings.Contains(folded, "remote-") || strings.Contains(strings.Join(lines, ""), "policy_auth") {
				t.Errorf("%s (%d): error routes get %s: %s", name, failure.StatusCode, header, lines)
			}
		}
		if got := r.Header.Get("Cookie"); got != "theme=dark" {
			t.Errorf("%s: Cookie is %q", name, got)
		}
	}
}
