//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// signInPage signs in in a window of its own, as people do, and tells the next page
// what it came to. It asks the server to wait, since that is what a browser without
// a screen waits for.
const signInPage = `<!doctype html><title>signing in</title><script>
const api = () => fetch("/mail", {headers: {Accept: "application/json"}, redirect: "manual"}).then(a => a.type + " " + a.status);
(async () => {
	let out = "before: " + await api() + "\n", seen = "";
	const w = open("/mail?folder=1");
	for (let i = 0; i < 100 && !seen.includes("reached"); i++) {
		await fetch("/public/wait?" + i);
		try { seen = w.location.pathname + w.location.search + " " + w.document.body.innerText; } catch (away) { }
	}
	out += "signed in: " + seen + "\na script: " + await api() + "\n";
	location = "/public/leave?" + encodeURIComponent(out);
})();
</script>`

// signOutPage presses the button of the sign-out page. It is a page that shares a
// window with no other site, as that one is.
const signOutPage = `<!doctype html><title>signing out</title><pre id="out"></pre><script>
const api = () => fetch("/mail", {headers: {Accept: "application/json"}, redirect: "manual"}).then(a => a.type + " " + a.status);
(async () => {
	out.append(decodeURIComponent(location.search.slice(1)));
	const w = open("/.policy_auth/logout");
	let form, after = "";
	for (let i = 0; i < 100 && !form; i++) {
		await fetch("/public/wait?" + i);
		form = w.document.forms[0];
	}
	form.submit();
	for (let i = 0; i < 100 && !after.includes("401"); i++) {
		await fetch("/public/wait?" + i);
		after = await api();
	}
	for (let i = 0; i < 100 && (await (await fetch("/public/signed-out")).text()) == 0; i++) await fetch("/public/wait?" + i);
	const page = await (await fetch("/.policy_auth/logout")).text();
	out.append("after: " + after + ", " + (page.includes("Signed out") ? "signed out" : page) + "\nEND");
})();
</script>`

// TestE2EOIDC: a browser that opens a page is sent to the provider and back to the
// page asked for, signs out here and there by the button, and is then nobody; a
// script is never redirected. R-OID-1, R-LO-1, R-LO-2, T-38, T-59.
func TestE2EOIDC(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		switch r.URL.Path {
		case "/public/driver":
			_, _ = fmt.Fprint(w, signInPage)
		case "/public/leave":
			w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
			_, _ = fmt.Fprint(w, signOutPage)
		case "/public/wait":
			time.Sleep(50 * time.Millisecond)
		case "/public/signed-out":
			_, _ = fmt.Fprint(w, len(fake.SignOuts()))
		default:
			_, _ = fmt.Fprintf(w, "reached by %s, cookies %q", r.Header.Get("X-User"), r.Header.Get("Cookie"))
		}
	}))
	defer upstream.Close()
	listen, admin := port(t), "127.0.0.1:"+port(t)
	w.Write("Caddyfile", strings.NewReplacer("PORT", listen, "UPSTREAM", strings.TrimPrefix(upstream.URL, "http://"), "ADMIN", admin, "SITE", strings.ReplaceAll(oidcSite(fake, ""), "DIR", w.Dir)).Replace(`{
	admin ADMIN
	skip_install_trust
	auto_https disable_redirects
}
https://app.test:PORT {
	tls internal
	policy_auth {
		SITE
		identity_headers {
			X-User username
		}
	}
	reverse_proxy UPSTREAM
}
`))
	server := start(t, w.Dir, "Caddyfile", admin)
	page := browse(t, "https://app.test:"+listen+"/public/driver", "--disable-popup-blocking")
	_, got, _ := strings.Cut(page, `<pre id="out">`)
	got, _, _ = strings.Cut(got, "</pre>")
	want := "before: basic 401\nsigned in: /mail?folder=1 reached by alice, cookies \"\"\na script: basic 200\nafter: basic 401, signed out\nEND"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	asked, out := fake.Asked(), fake.SignOuts()
	if len(asked) != 1 || asked[0].Get("redirect_uri") != "https://app.test:"+listen+"/.policy_auth/callback/oidc" || len(out) != 1 {
		t.Errorf("the provider saw %v, %v", asked, out)
	}
	if log := server.logged(); strings.Contains(log, "eyJ") || strings.Contains(log, fake.ClientSecret) || strings.Contains(log, url.QueryEscape(asked[0].Get("nonce"))) {
		t.Error("the server's log holds a secret")
	}
}
