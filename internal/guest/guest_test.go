package guest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/sharelink"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

const site = "https://photos.example.com"

// env are the guests of a site without methods, with links in memory and a clock.
type env struct {
	*Guests
	links *sharelink.Links
	store *store.Memory
	now   time.Time
	logs  *observer.ObservedLogs
}

func newEnv(t *testing.T) *env {
	t.Helper()
	e := &env{now: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return e.now }
	e.store = store.NewMemory(now)
	e.links = sharelink.New(store.NewSealed(e.store, store.NewSealer(store.Secret(make([]byte, store.SecretSize)), nil)), now)
	rendered, err := pages.New(pages.Config{}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	chain, err := authn.NewChain(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.DebugLevel)
	e.logs = logs
	e.Guests = New(Config{Links: e.links, Pages: rendered, Chain: chain, Logger: zap.New(core), SampledLogger: zap.New(core)})
	return e
}

// add makes a link for /2026/* that can be opened once, and returns its path.
func (e *env) add(t *testing.T) (*sharelink.Link, string) {
	t.Helper()
	link, _, err := sharelink.Spec{URLs: []string{site + "/2026/*"}, Until: "7d", Uses: 1}.Parse(e.now)
	if err != nil {
		t.Fatal(err)
	}
	added, token, err := e.links.Add(t.Context(), link, sharelink.DefaultMaxAge)
	if err != nil {
		t.Fatal(err)
	}
	return added, sharelink.PathPrefix + token
}

// opened makes a link and opens it, and returns it and the cookie of its guest.
func (e *env) opened(t *testing.T) (link *sharelink.Link, path, cookie string) {
	t.Helper()
	link, path = e.add(t)
	cookie, _, err := e.links.Open(t.Context(), link, "")
	if err != nil {
		t.Fatal(err)
	}
	return link, path, cookie
}

// prepared returns a request as Caddy passes it on, with the cookie of a guest, or "".
func prepared(method, target, cookie string, header ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: sharelink.CookieName(r.TLS != nil), Value: cookie})
	}
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), nil)
}

// identify returns what the step makes of a request of an anonymous caller.
func (e *env) identify(r *http.Request) (*authenticator.Identity, *authn.Identified, *httptest.ResponseRecorder) {
	recorder, identified := httptest.NewRecorder(), &authn.Identified{Outcome: authenticator.Outcome{Verdict: authenticator.Absent}}
	id := e.Identify(recorder, r, exchange.Open(recorder, r, new(request.Config)), identified)
	return id, identified, recorder
}

// manyMethods are more overrides of the method than are judged.
func manyMethods() (header []string) {
	var methods []string
	for i := range 1000 {
		methods = append(methods, "M"+strconv.Itoa(i))
	}
	return []string{"X-HTTP-Method-Override", strings.Join(methods, ",")}
}

// TestS19Requests: a guest only reads, on the link's site, and only what is the link's in
// every reading of the request. All else is an anonymous caller, who stays a guest.
func TestS19Requests(t *testing.T) {
	e := newEnv(t)
	link, _, cookie := e.opened(t)
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="}
	for name, test := range map[string]struct {
		method, target string
		header         []string
		want           bool
	}{
		"GET":                           {"GET", "/2026/a.jpg?size=1", nil, true},
		"HEAD":                          {"HEAD", "/2026/", nil, true},
		"the path itself":               {"GET", "/2026", nil, true},
		"GET by a header":               {"GET", "/2026/a", []string{"X-HTTP-Method-Override", "GET"}, true},
		"POST":                          {"POST", "/2026/a", nil, false},
		"OPTIONS":                       {"OPTIONS", "/2026/a", nil, false},
		"a method that is unknown":      {"PROPFIND", "/2026/a", nil, false},
		"another method by a header":    {"GET", "/2026/a", []string{"X-HTTP-Method-Override", "DELETE"}, false},
		"another method by a parameter": {"GET", "/2026/a?_method=put", nil, false},
		"POST that a header makes GET":  {"POST", "/2026/a", []string{"X-HTTP-Method-Override", "GET"}, false},
		"too many methods to judge":     {"GET", "/2026/a", manyMethods(), false},
		"a WebSocket":                   {"GET", "/2026/a", upgrade, false},
		"a destination inside":          {"GET", "/2026/a", []string{"Destination", site + "/2026/b"}, false},
		"another path":                  {"GET", "/2025/a", nil, false},
		"the root":                      {"GET", "/", nil, false},
		"a longer segment":              {"GET", "/2026a/b", nil, false},
		"dot segments out of it":        {"GET", "/2026/../2025/a", nil, false},
		"dot segments into it":          {"GET", "/2025/../2026/a", nil, false},
		"encoded dot segments":          {"GET", "/2026/%2e%2e/2025/a", nil, false},
		"encoded twice":                 {"GET", "/2026/%252e%252e/2025/a", nil, false},
		"an encoded slash":              {"GET", "/2026/..%2f2025/a", nil, false},
		"an encoded slash before it":    {"GET", "/x%2f..%2f2026/a", nil, false},
		"a backslash":                   {"GET", `/2026/..%5c2025/a`, nil, false},
		"parameters of dot segments":    {"GET", "/2026/..;a=b/2025/a", nil, false},
		"parameters of its segment":     {"GET", "/2025;/2026/a", nil, false},
		"two slashes":                   {"GET", "/x//2026/a", nil, false},
		"another site":                  {"GET", "https://files.example.com/2026/a", nil, false},
		"another site of the domain":    {"GET", "https://photos.example.com.evil.example/2026/a", nil, false},
	} {
		target := test.target
		if strings.HasPrefix(target, "/") {
			target = site + target
		}
		id, identified, _ := e.identify(prepared(test.method, target, cookie, test.header...))
		if (id != nil) != test.want {
			t.Errorf("%s: a guest is %v", name, id)
		}
		if id != nil && (id.Authenticated || id.Kind != authenticator.KindGuest || id.ID != "link:"+link.ID || id.ExpiresAt != e.now.Add(7*24*time.Hour).Unix() || identified.Source.Cookie != "__Host-policy_auth_guest") {
			t.Errorf("%s: %+v from %+v", name, id, identified.Source)
		}
		if identified.Verdict != authenticator.Absent {
			t.Errorf("%s: a guest is answered like an anonymous caller, not with the verdict %v", name, identified.Verdict)
		}
		if id == nil && identified.Source.Cookie != "" {
			t.Errorf("%s: a credential counted", name)
		}
	}
	if id, _, _ := e.identify(prepared("GET", site+"/2026/a", cookie)); id == nil {
		t.Error("the guest ended")
	}
}

// TestS19Cookies: a cookie that opens nothing is deleted, and its browser is an anonymous
// caller, and the log has the cause (S-40).
func TestS19Cookies(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, e *env, link *sharelink.Link, cookie string) string{
		"revoked": func(t *testing.T, e *env, link *sharelink.Link, cookie string) string {
			if there, err := e.links.Revoke(t.Context(), link.ID); !there || err != nil {
				t.Fatal(there, err)
			}
			return cookie
		},
		"expired": func(_ *testing.T, e *env, link *sharelink.Link, cookie string) string {
			e.now = link.Until
			return cookie
		},
		"ended": func(t *testing.T, e *env, _ *sharelink.Link, cookie string) string {
			if err := e.links.EndGuest(t.Context(), "photos.example.com", cookie); err != nil {
				t.Fatal(err)
			}
			return cookie
		},
		"lost by the store": func(t *testing.T, e *env, link *sharelink.Link, cookie string) string {
			if _, err := e.store.DeleteOwner(t.Context(), "link/"+link.ID); err != nil {
				t.Fatal(err)
			}
			return cookie
		},
		"with the secret of another guest": func(t *testing.T, e *env, _ *sharelink.Link, cookie string) string {
			_, _, other := e.opened(t)
			return cookie[:strings.LastIndex(cookie, ".")] + other[strings.LastIndex(other, "."):]
		},
		"with one more character": func(_ *testing.T, _ *env, _ *sharelink.Link, cookie string) string { return cookie + "A" },
		"forged":                  func(*testing.T, *env, *sharelink.Link, string) string { return "a" },
	} {
		e := newEnv(t)
		link, _, cookie := e.opened(t)
		if id, _, _ := e.identify(prepared("GET", site+"/2026/a", cookie)); id == nil {
			t.Fatalf("%s: no guest before", name)
		}
		id, identified, recorder := e.identify(prepared("GET", site+"/2026/a", change(t, e, link, cookie)))
		if id != nil || identified.Verdict != authenticator.Absent || identified.Reason != authenticator.ReasonSessionRevoked {
			t.Errorf("%s: %+v, %+v", name, id, identified)
		}
		if deleted := recorder.Result().Cookies(); len(deleted) != 1 || deleted[0].Name != "__Host-policy_auth_guest" || deleted[0].MaxAge >= 0 {
			t.Errorf("%s: the cookies %v", name, deleted)
		}
	}
}

// TestS19OtherSite: a cookie that a browser would not send there opens nothing on another
// host with the same store.
func TestS19OtherSite(t *testing.T) {
	e := newEnv(t)
	_, path, cookie := e.opened(t)
	if id, identified, _ := e.identify(prepared("GET", "https://files.example.com/2026/a", cookie)); id != nil || identified.Reason != authenticator.ReasonSessionRevoked {
		t.Errorf("%+v, %+v", id, identified)
	}
	if recorder := e.serve(prepared("GET", "https://files.example.com"+path, "")); recorder.Code != http.StatusNotFound {
		t.Errorf("the link itself: %d", recorder.Code)
	}
}

// TestS19Rewritten: S-19. The path to which a request is rewritten is one of the link's too.
func TestS19Rewritten(t *testing.T) {
	e := newEnv(t)
	_, _, cookie := e.opened(t)
	for path, want := range map[string]bool{"/2026/b": true, "/2025/secret": false, "/a": false, "/2026/%2e%2e/secret": false} {
		r := prepared("GET", site+"/2026/a?img=2025/secret", cookie)
		r.URL.Path = path
		if id, _, _ := e.identify(r); (id != nil) != want {
			t.Errorf("%s: %+v", path, id)
		}
	}
}

// TestS19Precedence: who is authenticated or sent a bad credential is no guest, and neither
// is a request that others can read, or one to a site without links.
func TestS19Precedence(t *testing.T) {
	e := newEnv(t)
	_, _, cookie := e.opened(t)
	for _, verdict := range []authenticator.Verdict{authenticator.Accepted, authenticator.Rejected, authenticator.Unclaimed, authenticator.Unavailable, authenticator.Failed} {
		r, identified := prepared("GET", site+"/2026/a", cookie), &authn.Identified{Outcome: authenticator.Outcome{Verdict: verdict}}
		if id := e.Identify(httptest.NewRecorder(), r, exchange.Open(httptest.NewRecorder(), r, new(request.Config)), identified); id != nil || identified.Verdict != verdict {
			t.Errorf("%v: %+v, %+v", verdict, id, identified)
		}
	}
	spec, _, err := sharelink.Spec{URLs: []string{"http://photos.example.com/2026/*"}, Until: "7d"}.Parse(e.now)
	if err != nil {
		t.Fatal(err)
	}
	link, _, err := e.links.Add(t.Context(), spec, sharelink.DefaultMaxAge)
	if err != nil {
		t.Fatal(err)
	}
	overHTTP, _, err := e.links.Open(t.Context(), link, "")
	if err != nil {
		t.Fatal(err)
	}
	plain := prepared("GET", "http://photos.example.com/2026/a", overHTTP)
	if id, _, _ := e.identify(plain); id != nil {
		t.Errorf("over plain HTTP: %+v", id)
	}
	e.config.InsecureHTTP = true
	if id, _, _ := e.identify(plain); id == nil {
		t.Error("with insecure_http: no guest")
	}
	for name, url := range map[string]string{"another scheme": "http://photos.example.com/2026/a", "another port": "https://photos.example.com:8443/2026/a"} {
		if id, identified, recorder := e.identify(prepared("GET", url, cookie)); id != nil || identified.Reason != "" || len(recorder.Result().Cookies()) > 0 {
			t.Errorf("%s: %+v, %+v", name, id, identified)
		}
	}
	if id, identified, _ := (&env{}).identify(prepared("GET", site+"/2026/a", cookie)); id != nil || identified.Reason != "" {
		t.Errorf("without links: %+v", id)
	}
	if id, identified, recorder := e.identify(prepared("GET", site+"/2026/a", "")); id != nil || identified.Reason != "" || len(recorder.Result().Cookies()) > 0 {
		t.Errorf("without a cookie: %+v, %+v", id, identified)
	}
}

// TestS19Unavailable: while the store cannot answer, a guest's cookie makes the request
// neither that of a guest nor that of an anonymous caller.
func TestS19Unavailable(t *testing.T) {
	e := newEnv(t)
	_, path, cookie := e.opened(t)
	if err := e.store.Close(); err != nil {
		t.Fatal(err)
	}
	id, identified, recorder := e.identify(prepared("GET", site+"/2026/a", cookie))
	if id != nil || identified.Verdict != authenticator.Unavailable || identified.Reason != authenticator.ReasonStoreUnavailable || len(recorder.Result().Cookies()) > 0 {
		t.Errorf("%+v, %+v", id, identified)
	}
	if recorder := e.serve(prepared("GET", site+path, "")); recorder.Code != http.StatusServiceUnavailable {
		t.Errorf("the link itself: %d", recorder.Code)
	}
}

// serve answers a request for a link, or returns nil if it is for another step.
func (e *env) serve(r *http.Request) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	if !e.Serve(recorder, r, exchange.Open(recorder, r, new(request.Config))) {
		return nil
	}
	return recorder
}

// TestS19Serve: the step answers requests for links alone, and its log has neither the token
// nor the cookie.
func TestS19Serve(t *testing.T) {
	e := newEnv(t)
	link, path := e.add(t)
	for _, target := range []string{"/", "/2026/a", "/.policy_auth/login", "/.policy_auth/link", "/x/.policy_auth/link/a", "/.POLICY_AUTH/link/a"} {
		if recorder := e.serve(prepared("GET", site+target, "")); recorder != nil {
			t.Errorf("%s is taken for a link", target)
		}
	}
	if recorder := (&env{}).serve(prepared("GET", site+path, "")); recorder != nil {
		t.Error("a site without links answers")
	}
	for _, test := range []struct {
		name string
		r    *http.Request
		want int
	}{
		{"over plain HTTP", prepared("POST", "http://photos.example.com"+path, ""), 403},
		{"of another site", prepared("POST", site+path, "", "Sec-Fetch-Site", "cross-site"), 403},
		{"S-03 in early data", prepared("POST", site+path, "", "Early-Data", "1"), 425},
		{"PUT", prepared("PUT", site+path, ""), 405},
		{"a look", prepared("GET", site+path, ""), 200},
		{"the button", prepared("POST", site+path, "", "Sec-Fetch-Site", "same-origin"), 303},
		{"a second use", prepared("POST", site+path, "", "Sec-Fetch-Site", "same-origin"), 404},
	} {
		if recorder := e.serve(test.r); recorder == nil || recorder.Code != test.want {
			t.Errorf("%s: %v", test.name, recorder)
		}
	}
	if opened := e.logs.FilterMessage("share link opened").All(); len(opened) != 1 || opened[0].ContextMap()["user_id"] != "link:"+link.ID {
		t.Errorf("%v", opened)
	}
	for _, line := range e.logs.All() {
		if text, _ := json.Marshal(line.ContextMap()); strings.Contains(string(text)+line.Message, strings.TrimPrefix(path, sharelink.PathPrefix)) {
			t.Errorf("the log has the token: %s %s", line.Message, text)
		}
	}
	if hints := e.logs.FilterFieldKey("hint").Len(); hints != 1 {
		t.Errorf("%d hints about plain HTTP", hints)
	}
}

// TestS19End: the end of a guest ends it in the store too, and deletes the cookie.
func TestS19End(t *testing.T) {
	e := newEnv(t)
	_, _, cookie := e.opened(t)
	recorder := httptest.NewRecorder()
	if err := e.End(&login.Request{W: recorder, R: prepared("POST", site+"/.policy_auth/login", cookie), HTTPS: true}); err != nil {
		t.Fatal(err)
	}
	if deleted := recorder.Result().Cookies(); len(deleted) != 1 || deleted[0].MaxAge >= 0 {
		t.Errorf("%v", deleted)
	}
	if id, _, _ := e.identify(prepared("GET", site+"/2026/a", cookie)); id != nil {
		t.Error("the guest goes on")
	}
	recorder = httptest.NewRecorder()
	if err := e.End(&login.Request{W: recorder, R: prepared("POST", site+"/.policy_auth/login", ""), HTTPS: true}); err != nil || len(recorder.Result().Cookies()) > 0 {
		t.Errorf("without a guest: %v, %v", err, recorder.Result().Cookies())
	}
}
