package conformance

import (
	"bytes"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/pages/challengetest"
)

// TestAnswers is the table of product.md's section 5, through the whole
// handler: R-401-1 to R-401-3, R-401-12, R-403-1, R-CACHE-1, T-01, T-59.
func TestAnswers(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(basicSite)
	tests := []struct {
		name   string
		r      *http.Request
		status int
	}{
		{"anonymous", get("/"), 401},
		{"anonymous, public", get("/public/x"), 200},
		{"member", asUser(get("/"), "bob"), 200},
		{"member on the admin page", asUser(get("/admin/"), "bob"), 403},
		{"admin", asUser(get("/admin"), "alice"), 200},
		{"upper case is no way around", asUser(get("/ADMIN"), "bob"), 403},
		{"doubled slashes are no way around", asUser(get("/x//../admin"), "bob"), 400},
		{"a doubled slash", asUser(get("http://example.com//admin"), "bob"), 403},
		{"an encoded slash", asUser(get("/admin%2fx"), "bob"), 403},
		{"a parameter", asUser(get("/admin;x=1"), "bob"), 403},
		{"an encoded letter", asUser(get("/%61dmin"), "bob"), 403},
		{"dots", asUser(get("/public/%2e%2e/admin"), "alice"), 400},
		{"disabled", asUser(get("/"), "carol"), 401},
		{"expired", asUser(get("/"), "dave"), 401},
		{"unknown", asUser(get("/"), "eve"), 401},
		{"a bad credential on a public page", asUser(get("/public/x"), "eve"), 401},
		{"two credentials", get("/", "Authorization", "Basic eDp5", "Authorization", "Basic eDp5"), 400},
		{"another scheme", get("/", "Authorization", "Foo x"), 401},
		{"a query satisfies no path", get("/x?/public/"), 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			next := new(reached)
			recorder, err := ask(h, test.r, next)
			if err != nil {
				t.Fatal(err)
			}
			if recorder.Code != test.status {
				t.Fatalf("status %d, want %d", recorder.Code, test.status)
			}
			if (next.Request != nil) != (test.status == 200) {
				t.Error("the next handler ran although refused, or did not though allowed")
			}
			if test.status == 200 {
				return
			}
			header := recorder.Header()
			if strings.Contains(recorder.Body.String(), "protected") || header.Get("Cache-Control") != "no-store" || header.Get("X-Request-Id") == "" {
				t.Errorf("header %v, body %s", header, recorder.Body)
			}
			if (header.Get("WWW-Authenticate") != "") != (test.status == 401) {
				t.Errorf("challenge %q on a %d", header["Www-Authenticate"], test.status)
			}
		})
	}
}

// TestN56SameAnswer: a client cannot tell an unknown user, a wrong password and a
// disabled or expired account apart (R-401-7, W13) but the log, which never
// has a name that is not a user's.
func TestN56SameAnswer(t *testing.T) {
	w := newEnv(t)
	h, logs := w.site(basicSite)
	var bodies, reasons []string
	for _, name := range []string{"eve", "bob", "carol", "dave"} {
		r := asUser(get("/"), name)
		if name == "bob" {
			r.SetBasicAuth("bob", "wrong")
		}
		recorder, err := ask(h, r, new(reached))
		if err != nil {
			t.Fatal(err)
		}
		id := recorder.Header().Get("X-Request-Id")
		recorder.Header().Del("X-Request-Id")
		var dump bytes.Buffer
		_ = recorder.Header().Write(&dump)
		bodies = append(bodies, dump.String()+strings.ReplaceAll(recorder.Body.String(), id, "ID"))
		fields := logs.TakeAll()[0].ContextMap()
		reasons = append(reasons, fields["reason"].(string))
		if candidate, known := fields["candidate"]; known != (name != "eve") || known && candidate != name {
			t.Errorf("%s: the log names %v", name, candidate)
		}
	}
	for i, body := range bodies {
		if body != bodies[0] {
			t.Errorf("answer %d differs:\n%s\n%s", i, body, bodies[0])
		}
	}
	if got := strings.Join(reasons, " "); got != "user_unknown password_wrong account_disabled account_disabled" {
		t.Errorf("the log says %s", got)
	}
}

const (
	keyLine = `ApiKey realm="restricted", header="X-API-Key"`
)

// TestMethods: whatever a site's methods are, and however its refusals are
// written, a 401 asks for all of them and for nothing else: R-401-1, R-401-4,
// R-CH-1, R-CH-2, R-CH-8, R-CH-11, R-BR-2, R-BR-3.
func TestMethods(t *testing.T) {
	w := newEnv(t)
	const access = "access DIR/access.yaml\n"
	tests := []struct {
		name, block string
		want        []string
	}{
		{"basic", basicSite, []string{basicLine}},
		{"jwt", jwtSite + access, []string{bearerLine, dpopLine}},
		{"jwt and basic: Basic first", jwtSite + basicSite, []string{basicLine, bearerLine, dpopLine}},
		{"all", w.keys("") + jwtSite + basicSite, []string{basicLine, bearerLine, dpopLine, keyLine}},
		{"a key of a header of its own", w.keys("from header X-Token") + access, []string{`ApiKey realm="restricted", header="X-Token"`}},
		{"two methods of one scheme", w.keys("from bearer") + jwtSite + access, []string{bearerLine, dpopLine}},
		{"a key as the password", w.keys("from basic_password") + access, []string{basicLine}},
		{"two realms", w.keys("from basic_password") + strings.Replace(basicSite, "basic", "basic other", 1), []string{basicLine, `Basic realm="other", charset="UTF-8"`}},
		{"a cookie is no scheme: no dialog", jwtFrom("cookie token") + access, []string{bearerLine}},
		{"a query is no scheme", jwtFrom("query access_token") + access, []string{bearerLine}},
		{"a header of its own", jwtFrom("header X-Token") + access, []string{`ApiKey realm="restricted", header="X-Token"`}},
		{"a sign-in page alone", loginSite + access, []string{`Session realm="restricted"`}},
		{"a sign-in page and more", basicSite + loginSite, []string{basicLine}},
	}
	for _, test := range tests {
		for _, pages := range []string{"", "error_pages bare\n", "error_pages delegate\n"} {
			t.Run(test.name+" "+pages, func(t *testing.T) {
				h, _ := w.site(test.block + pages)
				for _, r := range []*http.Request{get("/"), get("/", "Authorization", "Foo x"), get("/", "Authorization", "Negotiate YQ==", "Accept", "text/plain")} {
					recorder, err := ask(h, r, new(reached))
					if got := statusOf(recorder, err); got != 401 {
						t.Fatal(got)
					}
					if diff := cmp.Diff(test.want, recorder.Header()["Www-Authenticate"]); diff != "" {
						t.Errorf("(-want +got)\n%s", diff)
					}
				}
			})
		}
	}
	none, _ := w.site(access) // a 401 would need a challenge
	if recorder, err := ask(none, get("/"), new(reached)); err != nil || recorder.Code != 403 {
		t.Errorf("no method at all: %d %v", recorder.Code, err)
	}
}

// TestFailures: a credential that fails is asked for again, with what the site
// takes and an error only where the scheme has one; R-401-2, R-401-3, R-401-5,
// R-401-8, R-BR-1, R-BR-4, R-BR-6, R-BR-7, R-BR-14, R-HTTP-6, R-BA-7.
func TestFailures(t *testing.T) {
	w := newEnv(t)
	site, _ := w.site(basicSite + jwtSite + w.keys("from bearer"))
	ambient, _ := w.site(basicSite + jwtSite + jwtFrom("cookie token"))
	byQuery, _ := w.site(jwtSite + jwtFrom("query access_token") + "access DIR/access.yaml\n")
	good := jwtOf(t, nil)
	authorization := func(lines ...string) *http.Request {
		r := get("/")
		r.Header["Authorization"] = lines
		return r
	}
	const invalid, malformed = bearerLine + `, error="invalid_token"`, bearerLine + `, error="invalid_request"`
	ambiguous := []string{malformed, strings.Replace(dpopLine, ", algs", `, error="invalid_request", algs`, 1)} // RFC 9449, section 7.2
	tests := []struct {
		name   string
		h      caddyhttp.MiddlewareHandler
		r      *http.Request
		status int
		want   []string
	}{
		{"Basic that is no base64", site, authorization("Basic %%%"), 401, []string{basicLine, bearerLine, dpopLine}},
		{"Basic without a colon", site, authorization("Basic Ym9i"), 401, []string{basicLine, bearerLine, dpopLine}},
		{"Basic and nothing", site, authorization("Basic"), 401, []string{basicLine, bearerLine, dpopLine}},
		{"Basic in URLs' letters", site, authorization("Basic Pz8_Oj8_"), 401, []string{basicLine, bearerLine, dpopLine}},
		{"a part of a password", site, basic(get("/"), "bob", canary[:8]), 401, []string{basicLine, bearerLine, dpopLine}},
		{"a disabled account", site, asUser(get("/"), "carol"), 401, []string{basicLine, bearerLine, dpopLine}},
		{"a token in any letters", site, authorization("bEARER   " + good), 200, nil},
		{"an expired token", site, authorization("Bearer " + jwtOf(t, jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()})), 401, []string{basicLine, invalid, dpopLine}},
		{"a disabled key", site, authorization("Bearer " + apiKey + "-off"), 401, []string{basicLine, invalid, dpopLine}},
		{"no such key", site, authorization("Bearer abc"), 401, []string{basicLine, invalid, dpopLine}},
		{"a token that may not", site, get("/admin/", "Authorization", "Bearer "+good), 403, nil},
		{"Bearer and nothing", site, authorization("Bearer"), 400, []string{malformed}},
		{"Bearer and spaces", site, authorization("Bearer  "), 400, []string{malformed}},
		{"two words", site, authorization("Bearer a b"), 400, []string{malformed}},
		{"a quote in the token", site, authorization(`Bearer a"b`), 400, []string{malformed}},
		{"two tokens", site, authorization("Bearer "+good, "Bearer "+good), 400, ambiguous},
		{"a token and a password", site, authorization("Bearer "+good, "Basic eDp5"), 400, ambiguous},
		{"a token and an unknown scheme", site, authorization("Foo x", "Bearer "+good), 400, ambiguous},
		{"two tokens on a line", site, authorization("Bearer " + good + ", Bearer " + good), 400, []string{malformed}},
		{"for a proxy", site, get("/", "Proxy-Authorization", "Bearer "+good), 401, []string{basicLine, bearerLine, dpopLine}},
		{"for a proxy, twice", site, get("/", "Proxy-Authorization", asUser(get("/"), "bob").Header.Get("Authorization"), "Authorization", "Bearer "+good), 200, nil},
		{"a cookie", ambient, get("/", "Cookie", "token="+good), 200, nil},
		{"a cookie and an unknown scheme", ambient, get("/", "Cookie", "token="+good, "Authorization", "Foo x"), 200, nil},
		{"a cookie and a wrong password", ambient, basic(get("/", "Cookie", "token="+good), "bob", "wrong"), 401, []string{basicLine, bearerLine, dpopLine}},
		{"a cookie and a bad token", ambient, get("/", "Cookie", "token="+good, "Authorization", "Bearer abc"), 401, []string{basicLine, invalid, dpopLine}},
		{"a token in header and query", byQuery, get("/?access_token="+good, "Authorization", "Bearer "+good), 400, ambiguous},
		{"a token in the query, twice", byQuery, get("/?access_token=" + good + "&%61ccess_token=" + good), 400, ambiguous},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			next := new(reached)
			recorder, err := ask(test.h, test.r, next)
			if err != nil || recorder.Code != test.status || (next.Request != nil) != (test.status == 200) {
				t.Fatalf("%d %v", recorder.Code, err)
			}
			if diff := cmp.Diff(test.want, recorder.Header()["Www-Authenticate"]); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// sessionLine is the challenge of a site's sessions.
const sessionLine = `Session realm="restricted"`

// TestN41BasicForScripts: a page's script is not offered Basic, for which browsers open
// a dialog over the page, while there is another way to authenticate.
//
// R-CH-9
func TestN41BasicForScripts(t *testing.T) {
	w := newEnv(t)
	sites := map[string]string{
		"N-41 basic and jwt": basicSite + jwtSite, "N-41 basic and a form": formSite + strings.Replace(basicSite, " access DIR/access.yaml\n", "", 1), "N-41 basic and a page elsewhere": basicSite + loginSite, "N-41 basic alone": basicSite,
	}
	scripts := [][]string{{"Sec-Fetch-Mode", "cors"}, {"Sec-Fetch-Mode", "no-cors"}, {"Sec-Fetch-Mode", "websocket"}, {"X-Requested-With", "XMLHttpRequest"}}
	want := map[string][2][]string{ // for navigations and programs; for scripts
		"N-41 basic and jwt":              {{basicLine, bearerLine, dpopLine}, {bearerLine, dpopLine}},
		"N-41 basic and a form":           {{basicLine, sessionLine}, {sessionLine}},
		"N-41 basic and a page elsewhere": {{basicLine}, {sessionLine}},
		"N-41 basic alone":                {{basicLine}, {basicLine}},
	}
	for name, block := range sites {
		t.Run(name, func(t *testing.T) {
			site, _ := w.site(block)
			r := secure(get("/"))
			check := func(want []string) {
				t.Helper()
				recorder, _ := ask(site, r, new(reached))
				if diff := cmp.Diff(want, recorder.Header()["Www-Authenticate"]); diff != "" || recorder.Code != 401 {
					t.Errorf("%v: %d (-want +got)\n%s", r.Header, recorder.Code, diff)
				}
				vary := recorder.Header()["Vary"]
				if varies := slices.Contains(vary, "Sec-Fetch-Mode") && slices.Contains(vary, "X-Requested-With"); varies != (name != "N-41 basic alone") {
					t.Errorf("Vary: %v", vary)
				}
			}
			check(want[name][0])
			for _, header := range scripts {
				r = secure(get("/", header...))
				check(want[name][1])
			}
		})
	}
}

// TestCrossSiteRequests: what another site sent is refused without a challenge that would
// not help.
//
// R-403-4
func TestCrossSiteRequests(t *testing.T) {
	w := newEnv(t)
	site, _ := w.site(basicSite + jwtSite + jwtFrom("cookie token"))
	for name, r := range map[string]*http.Request{
		"a password": asUser(get("/", "Sec-Fetch-Site", "cross-site"), "bob"),
		"a cookie":   get("/", "Sec-Fetch-Site", "cross-site", "Cookie", "token="+jwtOf(t, nil)),
		"an origin":  get("/", "Origin", "https://evil.example", "Cookie", "token="+jwtOf(t, nil)),
	} {
		r.Method = "POST"
		recorder, _ := ask(site, r, new(reached))
		if recorder.Code != 403 || recorder.Header()["Www-Authenticate"] != nil || !strings.Contains(recorder.Body.String(), `"class":"cross_site"`) {
			t.Errorf("%s: %d %v %s", name, recorder.Code, recorder.Header(), recorder.Body)
		}
	}
}

// TestRealms: R-CH-3, R-CH-4, R-CH-5, R-CH-6, through the Caddyfile.
func TestRealms(t *testing.T) {
	w := newEnv(t)
	realm := func(word string) string { return strings.Replace(basicSite, "basic", "basic "+word, 1) }
	for word, want := range map[string]string{
		"app": "app", `"two words"`: "two words", "`say \"hi\" \\o/`": `say "hi" \o/`, `"a, Bearer b=c"`: "a, Bearer b=c",
	} {
		h, _ := w.site(realm(word))
		recorder, _ := ask(h, get("/"), new(reached))
		challenges, err := challengetest.Read(recorder.Header())
		if err != nil || len(challenges) != 1 || challenges[0].Params["realm"] != want {
			t.Errorf("%s: %v, %v", word, challenges, err)
		}
	}
	for _, word := range []string{`""`, "\"a\nb\"", "\"a\r\nSet-Cookie: b=c\"", "\"a\tb\"", "Größe", "\"a\x7f\"", strings.Repeat("a", 201)} {
		if _, err := w.provision(realm(word)); err == nil {
			t.Errorf("%q is taken for a realm", word)
		}
	}
}

// own is an upstream that refuses by itself.
type own struct {
	header http.Header
	status int
}

func (o own) ServeHTTP(w http.ResponseWriter, _ *http.Request) error {
	maps.Copy(w.Header(), o.header)
	w.WriteHeader(o.status)
	_, err := w.Write([]byte("the upstream's"))
	return err
}

// TestUpstreamDenies: R-CH-10: what the next handler refuses is its own answer,
// to which nothing is added.
func TestUpstreamDenies(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(basicSite + jwtSite + "error_pages bare\n")
	for name, o := range map[string]own{
		"its own schemes":   {http.Header{"Www-Authenticate": {`Digest realm=a, Basic realm="their,own"`, "NTLM"}}, 401},
		"no challenge":      {http.Header{"Etag": {`"a"`}, "Cache-Control": {"max-age=60"}}, 401},
		"a forbidden page":  {http.Header{"Www-Authenticate": {`Bearer error="insufficient_scope"`}}, 403},
		"a proxy's answer":  {http.Header{"Proxy-Authenticate": {`Basic realm="p"`}}, 407},
		"there is no page":  {http.Header{"Content-Type": {"text/css"}}, 404},
		"its own sign-in":   {http.Header{"Location": {"/login"}, "Vary": {"X"}}, 302},
		"it is not working": {http.Header{}, 503},
	} {
		recorder, err := ask(h, asUser(get("/"), "bob"), o)
		if err != nil || recorder.Code != o.status || recorder.Body.String() != "the upstream's" {
			t.Errorf("%s: %d %v %s", name, recorder.Code, err, recorder.Body)
		}
		if diff := cmp.Diff(o.header, recorder.Header()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	failed := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return caddyhttp.Error(401, errors.New("theirs")) })
	if recorder, err := ask(h, asUser(get("/"), "bob"), failed); statusOf(recorder, err) != 401 || len(recorder.Header()) > 0 {
		t.Errorf("an error of the next handler: %v %v", err, recorder.Header())
	}
}

// TestHead: R-401-9, R-401-12, T-47: a refused HEAD has the fields of GET and no
// content, and neither a condition nor a range changes a refusal.
func TestHead(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(patientSite + jwtSite + loginSite + "cors {\n origins https://app.example.com\n }\n")
	for name, r := range map[string]*http.Request{
		"anonymous": get("/"), "known": asUser(get("/admin/"), "bob"), "a bad token": get("/", "Authorization", "Bearer a b"), "wrong": asUser(get("/"), "eve"),
		"of a script": get("/", "Origin", "https://app.example.com"), "navigating": navigate(get("/")),
	} {
		for _, accept := range []string{"text/html", "application/json", "text/plain"} {
			r.Header.Set("Accept", accept)
			want, wantBody := refusalOf(t, h, r)
			if wantBody == "" && want.Get("Location") == "" {
				t.Fatalf("%s %s: no content", name, accept)
			}
			for _, more := range [][]string{{}, {"If-None-Match", "*"}, {"If-Match", `"a"`}, {"If-Modified-Since", "Mon, 01 Jan 2035 00:00:00 GMT"}, {"Range", "bytes=0-1"}, {"If-Range", `"a"`, "Range", "bytes=0-1"}} {
				for _, method := range []string{"GET", "HEAD"} {
					again := r.Clone(t.Context())
					again.Method = method
					for i := 0; i+1 < len(more); i += 2 {
						again.Header.Set(more[i], more[i+1])
					}
					got, body := refusalOf(t, h, again)
					if diff := cmp.Diff(want, got); diff != "" || (body != "") != (method == "GET" && wantBody != "") {
						t.Errorf("%s %s %s %v: %q (-want +got)\n%s", name, accept, method, more, body, diff)
					}
				}
			}
		}
	}
}

// refusalOf returns the fields of a refusal, its status among them, and its body
// without the request's id.
func refusalOf(t *testing.T, h caddyhttp.MiddlewareHandler, r *http.Request) (http.Header, string) {
	t.Helper()
	next := new(reached)
	recorder, err := ask(h, r, next)
	if err != nil || next.Request != nil {
		t.Fatalf("not refused: %v", err)
	}
	header := recorder.Header().Clone()
	id := header.Get("X-Request-Id")
	header.Del("X-Request-Id")
	header.Set(":status", http.StatusText(recorder.Code))
	return header, string(bytes.ReplaceAll(recorder.Body.Bytes(), []byte(id), []byte("ID")))
}

// refusals are what a policy may say of a refusal, by the first segment of the path.
const refusals = `package caddy.authz

allow := object.union({"allow": false}, refusals[input.request.segments[0]])

allow := object.get(input.config, "none", "yes") if input.request.path == "/text"

allow if input.request.path == "/open"

refusals := {
	"forbidden": {"status": 403},
	"proxy": {"status": 407},
	"unauthorized": {"status": 401},
	"elsewhere": {"status": 401, "headers": {"Location": "/login"}},
	"stored": {"status": 403, "headers": {"Cache-Control": "public, max-age=60", "ETag": "\"a\"", "Expires": "0", "Last-Modified": "0", "Age": "1"}},
	"varying": {"headers": {"Vary": "X-Tenant"}},
	"challenging": {"status": 401, "headers": {"WWW-Authenticate": "Custom realm=\"theirs\""}},
	"scope": {"challenge": {"scope": ["a", "b"]}},
	"quote": {"challenge": {"scope": ["a\"b"]}},
	"umlaut": {"challenge": {"scope": ["ä"]}},
	"empty": {"challenge": {"scope": [""]}},
	"many": {"challenge": {"scope": [sprintf("scope-number-%d", [i]) | some i in numbers.range(1, 60)]}},
	"fresh": {"challenge": {"acr_values": "urn:a urn:b", "max_age": 0}},
	"secret": {"reasons": ["on_sundays"], "message": "Not on Sundays."},
}
`

// TestPolicyAnswers: a policy's wishes become an answer that keeps the standards:
// R-401-3, R-401-4, R-401-5, R-403-1, R-403-2, R-403-6, R-CACHE-1, R-CACHE-2,
// R-BR-5, W4.
func TestPolicyAnswers(t *testing.T) {
	w := newEnv(t)
	w.Write("policies/authz.rego", refusals)
	h, _ := w.site(jwtSite + "basic {\n users DIR/users.yaml\n }\n policies DIR/policies\n")
	token := "Bearer " + jwtOf(t, nil)
	both := []string{basicLine, bearerLine, dpopLine}
	tests := []struct {
		path             string
		anonymous, known int
		asked, told      []string // the challenges of the one and of the other
	}{
		{"/forbidden", 403, 403, nil, nil},
		{"/proxy", 500, 500, nil, nil},
		{"/unauthorized", 401, 401, both, both},
		{"/elsewhere", 401, 401, both, both},
		{"/stored", 403, 403, nil, nil},
		{"/varying", 401, 403, both, nil},
		{"/challenging", 401, 401, append(slices.Clone(both), `Custom realm="theirs"`), append(slices.Clone(both), `Custom realm="theirs"`)},
		{"/text", 401, 403, both, nil},
		{"/scope", 401, 403, both, []string{bearerLine + `, error="insufficient_scope", scope="a b"`}},
		{"/fresh", 401, 401, both, []string{basicLine, bearerLine + `, error="insufficient_user_authentication", acr_values="urn:a urn:b", max_age="0"`, dpopLine}},
		{"/secret", 401, 403, both, nil},
		{"/nothing/of/the/kind", 401, 403, both, nil},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			for _, r := range []*http.Request{get(test.path), get(test.path, "Authorization", token)} {
				status, challenges := test.anonymous, test.asked
				if r.Header.Get("Authorization") != "" {
					status, challenges = test.known, test.told
				}
				recorder, err := ask(h, r, new(reached))
				if err != nil || recorder.Code != status {
					t.Fatalf("%d %v, want %d", recorder.Code, err, status)
				}
				header := recorder.Header()
				if diff := cmp.Diff(challenges, header["Www-Authenticate"]); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				vary := strings.Join(header["Vary"], ", ")
				if !strings.Contains(vary, "Accept, Accept-Language") || strings.Contains(vary, "X-Tenant") != (test.path == "/varying") {
					t.Errorf("Vary: %s", vary)
				}
				if body := recorder.Body.String(); strings.Contains(body, "authz") || strings.Contains(body, "Sundays") != (test.path == "/secret") || strings.Contains(body, "data.caddy") {
					t.Errorf("the body tells: %s", body)
				}
			}
		})
	}
}

// TestN61OwnChallenge: where no method is configured, a policy's 401 passes if it
// brings a challenge of its own, which is the only one; without, it is a 403, since
// a 401 needs one (R-401-1).
func TestN61OwnChallenge(t *testing.T) {
	w := newEnv(t)
	w.Write("p/authz.rego", `package envoy.authz

allow := {"allowed": false, "http_status": 401, "headers": {"www-authenticate": "Bearer realm=\"api\""}} if input.parsed_path[0] == "own"

allow := {"allowed": false, "http_status": 401} if input.parsed_path[0] == "none"

allow := {"allowed": false, "http_status": 401, "headers": {"www-authenticate": ""}} if input.parsed_path[0] == "empty"

allow := {"allowed": false, "headers": {"www-authenticate": "Bearer realm=\"api\""}} if input.parsed_path[0] == "other"
`)
	h, _ := w.site("policies DIR/p {\n opa_envoy\n }\n")
	for path, want := range map[string]int{"/own": 401, "/none": 403, "/empty": 403, "/other": 403} {
		recorder, err := ask(h, get(path), new(reached))
		if err != nil || recorder.Code != want {
			t.Errorf("N-61 %s: %d %v", path, recorder.Code, err)
		}
		challenges := recorder.Header().Values("WWW-Authenticate")
		if want == 401 && (len(challenges) != 1 || challenges[0] != `Bearer realm="api"`) {
			t.Errorf("N-61 %s: challenges %q", path, challenges)
		}
	}
}
