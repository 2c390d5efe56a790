package conformance

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

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
	server := httptest.NewServer(w.Server("{\nauto_https off\n}\nhttp://edited.example.com:8080 {\n" + edits + auth + "}\nhttp://plain.example.com:8080 {\n" + auth + "}\n"))
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

// expandable is a name that Caddy would turn into secrets if it expanded what a
// stranger chose: the server's environment, its files and a request's header.
const expandable = "{env.POLICY_AUTH_CANARY}{http.request.header.X-Private}{http.request.header.Authorization}{http.vars.secret}{file.DIR/secret.txt}"

// expansionPolicy lets strangers' text into each part of an answer.
const expansionPolicy = `package caddy.authz

name := input.identity.id

allow := {"allow": true, "headers": {"X-Tenant": name}, "response_headers_to_add": {"X-Added": name}} if startswith(input.request.path, "/allowed")

allow := {"allow": true} if startswith(input.request.path, "/inner")

allow := {"allow": false, "message": name, "remediation": input.request.path, "headers": {"X-Why": name}} if startswith(input.request.path, "/page")

allow := {"allow": false, "status": 451, "body": name} if startswith(input.request.path, "/body")

allow := {"allow": false, "message": name} if startswith(input.request.path, "/delegated")

allow := {"allow": false, "redirect": {"to": concat("", ["/to?", input.request.path])}} if startswith(input.request.path, "/moved")
`

// expansions are sites whose directives repeat what a stranger chose.
var expansions = []struct {
	name, path, site string
	literal          bool // whether the text has to arrive as it was sent
}{
	{"respond", "/allowed", `respond "{http.auth.user.id} {header.X-Auth-User} {header.X-Tenant}"`, true},
	{"header", "/allowed", "header X-Seen {http.auth.user.id}\nrespond ok", true},
	{"header, deferred", "/allowed", "header >X-Seen {header.X-Auth-User}\nrespond ok", true},
	{"header, replaced", "/allowed", "header >X-Added ^(.*)$ \"$1 seen\"\nrespond ok", true},
	{"request_header", "/allowed", "request_header X-Copy {http.auth.user.id}\nrespond {header.X-Copy}", true},
	{"request_header, replaced", "/allowed", "request_header X-Auth-User ^(.*)$ \"$1 seen\"\nrespond {header.X-Auth-User}", true},
	{"vars", "/allowed", "vars who {http.auth.user.id}\nrespond \"{vars.who} {http.vars.who}\"", true},
	{"map", "/allowed", "map {http.auth.user.id} {who} {\n default {http.auth.user.id}\n}\nrespond {who}", true},
	{"reverse_proxy", "/allowed", "reverse_proxy UPSTREAM {\n header_up X-Who {http.auth.user.id}\n header_down X-Down {http.auth.user.id}\n}", true},
	{"templates", "/allowed/page.html", "root DIR/site\ntemplates\nfile_server", true},
	{"rewrite", "/allowed", "rewrite * /allowed/{http.auth.user.id}\nrespond {http.request.uri.path}", true},
	{"rewrite, query", "/allowed", "rewrite * ?who={http.auth.user.id}\nrespond {http.request.uri.query}", false},
	{"uri", "/allowed", "uri path_regexp ^/(.*)$ /{header.X-Auth-User}/$1\nrespond {path}", true},
	{"file_server", "/allowed/" + expandable, "root DIR/site\nfile_server", false},
	{"redir", "/allowed", "redir * /to/{http.auth.user.id}", true},
	{"error", "/allowed", "error {http.auth.user.id} 418", true},
	{"page", "/page/" + expandable, "respond no", true},
	{"body", "/body", "respond no", true},
	{"redirect", "/moved/" + expandable, "respond no", false},
	{"delegated", "/delegated/" + expandable, "respond no", false},
	{"control", "/allowed", "respond \"" + expandable + "\"", false},
}

// expansionSite is a site of the table.
const expansionSite = `http://HOST:8080 {
	vars secret SECRET
	route {
		policy_auth {
			JWT
			policies DIR/policies
			identity_headers {
				X-Auth-User id
			}
			MODE
		}
		respond /inner {header.X-Auth-User}
		SITE
	}
	handle_errors {
		respond "{err.message} {http.request.orig_uri} {http.policy_auth.reason} {http.auth.user.id}"
	}
}
`

// TestExpansion: T-48. A claim, a policy's text or a path with the name of a
// placeholder is text to each directive behind the handler, and in each refusal.
func TestExpansion(t *testing.T) {
	t.Setenv("POLICY_AUTH_CANARY", canary)
	w := newEnv(t)
	w.Write("policies/authz.rego", expansionPolicy)
	w.Write("secret.txt", canary)
	w.Write("site/allowed/page.html", `{{placeholder "http.auth.user.id"}} {{.Req.Header.Get "X-Auth-User"}} {{.RespHeader.Get "X-Added"}} {{httpInclude "/inner"}} {{.OriginalReq.URL}}`)
	told := ""
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { told = fmt.Sprint(r.Header) }))
	t.Cleanup(upstream.Close)
	words := strings.NewReplacer("DIR", w.Dir, "UPSTREAM", upstream.Listener.Addr().String(), "SECRET", canary, "JWT", jwtSite)
	config := ""
	for i, row := range expansions {
		mode := ""
		if row.name == "delegated" {
			mode = "error_pages delegate"
		}
		config += strings.NewReplacer("HOST", testenv.HostOf(i), "MODE", mode, "SITE", row.site).Replace(expansionSite)
	}
	server := httptest.NewServer(w.Server("{\nauto_https off\n}\n" + words.Replace(config)))
	t.Cleanup(server.Close)
	text := words.Replace(expandable)
	token := "Bearer " + jwtOf(t, jwt.MapClaims{"sub": text})
	for i, row := range expansions {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "http://"+testenv.HostOf(i), nil)
			r.URL.Path = words.Replace(row.path)
			r.Header = http.Header{"Authorization": {token}, "X-Private": {canary}, "Accept": {"application/json"}}
			told = ""
			response, body := testenv.Exchange(t, server.Listener.Addr().String(), r)
			got := strings.ReplaceAll(fmt.Sprint(response.Header, body, told), "X-Private:["+canary+"]", "")
			if expanded := strings.Contains(got, canary) || strings.Contains(got, token); expanded != (row.name == "control") {
				t.Errorf("%d %s", response.StatusCode, got)
			}
			if row.literal && !strings.Contains(got, text) {
				t.Errorf("%d: the text itself did not arrive: %s", response.StatusCode, got)
			}
		})
	}
}

// TestTemplatesAround: T-48. Templates around the handler execute nothing of
// what a stranger's name or a path says on the pages of the refused.
func TestTemplatesAround(t *testing.T) {
	t.Setenv("POLICY_AUTH_CANARY", canary)
	w := newEnv(t)
	w.Write("policies/authz.rego", expansionPolicy)
	site := strings.ReplaceAll("policy_auth {\n"+jwtSite+"policies DIR/policies\n}\nrespond {http.auth.user.id}\n", "DIR", w.Dir)
	server := httptest.NewServer(w.Server("{\nauto_https off\n}\nhttp://site.example.com:8080 {\nroute {\ntemplates\n" + site + "}\n}\n"))
	t.Cleanup(server.Close)
	text := "{{env `POLICY_AUTH_CANARY`}}"
	for _, accept := range []string{"text/html", "text/plain", "application/json"} {
		for _, path := range []string{"/page/" + text, "/other/" + text, "/moved/" + text} {
			r := httptest.NewRequest(http.MethodGet, "http://site.example.com", nil)
			r.URL.Path = path
			r.Header = http.Header{"Authorization": {"Bearer " + jwtOf(t, jwt.MapClaims{"sub": text})}, "Accept": {accept}}
			response, body := testenv.Exchange(t, server.Listener.Addr().String(), r)
			if response.StatusCode == http.StatusOK || strings.Contains(body, canary) || strings.HasPrefix(path, "/page") && !strings.Contains(body, "POLICY_AUTH_CANARY") {
				t.Errorf("%s, %s: %d %s", accept, path, response.StatusCode, body)
			}
		}
	}
}

// TestOPAEnvoy: a policy of opa-envoy-plugin behind the handler: it sees the
// credential, no other handler does, and its answers are the client's (R-BR-12).
func TestOPAEnvoy(t *testing.T) {
	w := newEnv(t)
	w.Write("p/authz.rego", `package envoy.authz

import input.attributes.request.http as http_request

default allow := {"allowed": false, "http_status": 302, "headers": {"location": "https://id.example/in", "set-cookie": "state=1"}}

allow := {"allowed": true, "headers": {"x-user": "alice"}, "response_headers_to_add": {"x-policy": "yes"}} if {
	http_request.headers.authorization == "Bearer `+canary+`"
	input.parsed_path[0] == "mail"
}
`)
	h, logs := w.site("policies DIR/p {\n opa_envoy\n }\n")
	next := new(reached)
	recorder, err := ask(h, get("/mail/1", "Authorization", "Bearer "+canary), next)
	if err != nil || recorder.Code != 200 || recorder.Header().Get("X-Policy") != "yes" || next.Request.Header.Get("X-User") != "alice" {
		t.Errorf("%d %v %v", recorder.Code, err, recorder.Header())
	}
	recorder, err = ask(h, get("//mail/1"), new(reached))
	if err != nil || recorder.Code != 302 || recorder.Header().Get("Location") != "https://id.example/in" || recorder.Header().Get("Set-Cookie") != "state=1" || recorder.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %v", recorder.Code, err, recorder.Header())
	}
	for _, entry := range logs.All() {
		for _, field := range entry.Context {
			if strings.Contains(field.String, canary) {
				t.Errorf("the log holds a credential: %v", field)
			}
		}
	}
}
