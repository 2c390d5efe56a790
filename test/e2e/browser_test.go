//go:build e2e

package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// casesPage runs each case as a script of whatever origin it was loaded from, and
// tells the page around it what the script could see.
const casesPage = `<!doctype html><title>cases</title><script>
const api = "https://api.test:PORT";
const cases = [
	["401", "/mail", {}],
	["403", "/admin/", {headers: {Authorization: "MEMBER"}}],
	["503", "/mail", {headers: {Authorization: "Bearer DOWN"}}],
	["404 of the upstream", "/public/missing", {}],
	["200", "/public/x", {}],
	["put", "/public/x", {method: "PUT"}],
	["purge", "/public/x", {method: "PURGE"}],
	["known header", "/public/x", {headers: {"Content-Type": "application/json"}, method: "POST", body: "{}"}],
	["unknown header", "/public/x", {headers: {"X-Unknown": "1"}}],
	["cookie is set", "/public/sign-in", {credentials: "include"}],
	["cookie", "/mail", {credentials: "include"}],
	["no cookie", "/mail", {credentials: "omit"}],
];
const shown = ["WWW-Authenticate", "Retry-After", "X-Extra", "X-Hidden"];
(async () => {
	for (const [name, path, init] of cases) {
		let seen;
		try {
			const answer = await fetch(api + path, init);
			const body = (await answer.text()).slice(0, 20);
			seen = answer.status + " " + shown.filter(n => answer.headers.has(n)).join(",") + (answer.headers.has("X-Request-Id") ? " id" : "") + " " + JSON.stringify(body);
		} catch (problem) {
			seen = problem.name;
		}
		parent.postMessage([name, seen], "*");
	}
	parent.postMessage(null, "*");
})();
</script>`

// mainPage loads the cases from each origin, one after the other.
const mainPage = `<!doctype html><title>main</title><pre id="out"></pre><script>
const frames = [["allowed", "https://app.test:PORT"], ["subdomain", "https://a.wild.test:PORT"], ["apex", "https://wild.test:PORT"], ["refused", "https://evil.test:PORT"], ["null", ""]];
let at = -1;
function next() {
	if (++at >= frames.length) { out.append("END\n"); return; }
	const frame = document.createElement("iframe");
	if (!frames[at][1]) frame.sandbox = "allow-scripts";
	frame.src = frames[at][1] + "/cases.html";
	document.body.append(frame);
}
addEventListener("message", e => e.data ? out.append(frames[at][0] + " | " + e.data.join(" | ") + "\n") : next());
next();
</script>`

// TestE2EBrowserCORS: R-CORS-1, R-CORS-6, R-CORS-9, R-CORS-10, R-CORS-11, R-CORS-12, R-CORS-17,
// T-43. What scripts of real origins in a real browser can see of an API's answers.
func TestE2EBrowserCORS(t *testing.T) {
	w := newEnv(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*") // its own idea of CORS
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("X-Extra", "shown")
		h.Set("X-Hidden", "kept")
		switch r.URL.Path {
		case "/public/sign-in":
			h.Set("Set-Cookie", "token="+jwtOf(t, nil)+"; Path=/; Secure; HttpOnly; SameSite=None; Partitioned")
		case "/public/missing":
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = fmt.Fprint(w, "upstream")
	}))
	defer upstream.Close()
	listen, admin := port(t), "127.0.0.1:"+port(t)
	_, payload, _ := strings.Cut(jwtOf(t, map[string]any{"iss": "https://down.example"}), ".")
	down := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + payload // no key is there to say what it is
	fill := strings.NewReplacer("PORT", listen, "MEMBER", as("bob")[1], "DOWN", down, "UPSTREAM", strings.TrimPrefix(upstream.URL, "http://"), "DIR", w.Dir, "ADMIN", admin)
	w.Write("www/cases.html", fill.Replace(casesPage))
	w.Write("www/main.html", fill.Replace(mainPage))
	w.Write("Caddyfile", fill.Replace(`{
	admin ADMIN
	skip_install_trust
	auto_https disable_redirects
}
https://app.test:PORT, https://a.wild.test:PORT, https://wild.test:PORT, https://evil.test:PORT {
	tls internal
	root DIR/www
	file_server
}
https://api.test:PORT {
	tls internal
	policy_auth {
		`+basicSite+`
		jwt https://down.example {
			jwks_url http://127.0.0.1:1/keys
			audience api
		}
		jwt https://id.example.com {
			secret `+jwtSecret+`
			audience api
			from cookie token
		}
		cors {
			origins https://app.test:PORT https://*.wild.test:PORT
			expose X-Extra
			credentials
		}
	}
	reverse_proxy UPSTREAM
}
`))
	start(t, w.Dir, "Caddyfile", admin)
	page := browse(t, "https://app.test:"+listen+"/main.html")
	const problem = `{"type":"about:blank`
	readable := []string{
		`401 | 401 WWW-Authenticate id ` + quotedJS(problem), `403 | 403  id ` + quotedJS(problem), `503 | 503 Retry-After id ` + quotedJS(problem),
		`404 of the upstream | 404 X-Extra "upstream"`, `200 | 200 X-Extra "upstream"`, `put | 200 X-Extra "upstream"`, `purge | TypeError`,
		`known header | 200 X-Extra "upstream"`, `unknown header | TypeError`,
		`cookie is set | 200 X-Extra "upstream"`, `cookie | 200 X-Extra "upstream"`, `no cookie | 401 WWW-Authenticate id ` + quotedJS(problem),
	}
	var want strings.Builder
	for _, origin := range []string{"allowed", "subdomain"} {
		for _, line := range readable {
			fmt.Fprintf(&want, "%s | %s\n", origin, line)
		}
	}
	for _, origin := range []string{"apex", "refused", "null"} {
		for _, line := range readable {
			name, _, _ := strings.Cut(line, " | ")
			fmt.Fprintf(&want, "%s | %s | TypeError\n", origin, name)
		}
	}
	want.WriteString("END\n")
	_, got, _ := strings.Cut(page, `<pre id="out">`)
	if got, _, _ = strings.Cut(got, "</pre>"); got != want.String() {
		t.Errorf("got:\n%s\nwant:\n%s", got, want.String())
	}
}

// quotedJS is how the page shows the beginning of a body.
func quotedJS(text string) string { return fmt.Sprintf("%q", text[:20]) }
