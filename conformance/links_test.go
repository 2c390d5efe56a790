package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/sharelink"
)

// linkAccess is a table with a rule for guests, one for users and one for all callers.
const linkAccess = `rules:
  - paths: [/2026/private/*]
    allow: [{roles: [admin]}]
  - paths: [/2026/*]
    allow: [{links: true}, {authenticated: true}]
  - paths: [/open/*]
    allow: [{anyone: true}]
default: [{authenticated: true}]
`

// linkSite is a site with share links and a login; linkOnlySite has no login.
const (
	linkSite     = "login form {\n users DIR/users.yaml\n }\n session {\n store file DIR/store.db\n }\n access DIR/links.yaml\n links\n"
	linkOnlySite = "access DIR/links.yaml\n links {\n store file DIR/store.db\n }\n"
)

// addLink makes a share link for the site that was provisioned last, and returns its path.
func addLink(t *testing.T, spec sharelink.Spec) (*sharelink.Link, string) {
	t.Helper()
	sites := authn.LinkSites()
	site := sites[len(sites)-1]
	link, _, err := spec.Parse(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	added, token, err := site.Links.Add(t.Context(), link, site.MaxAge)
	if err != nil {
		t.Fatal(err)
	}
	return added, sharelink.PathPrefix + token
}

var album = sharelink.Spec{URLs: []string{"https://example.com/2026/*"}, Name: "summer <b>album</b> {{1}}"}

// openLink presses the button of a link's page.
func openLink(p *browser, path string) *httptest.ResponseRecorder {
	return p.Ask(secure(post(path, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Origin", "null")), new(reached))
}

const guestCookie = "__Host-policy_auth_guest"

// TestS19LinkPage: looking at a link uses nothing up; the button makes a guest and leads to
// the first path, so that the token is in no address bar and no Referer.
func TestS19LinkPage(t *testing.T) {
	for name, block := range map[string]string{"with a login": linkSite, "without": linkOnlySite} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			w.Write("links.yaml", linkAccess)
			h, _ := w.site(block)
			spec := album
			spec.Uses = 1
			link, path := addLink(t, spec)
			for range 3 {
				for _, r := range []*http.Request{get(path), head(path)} {
					p := visitor(t, h)
					answer := p.Ask(navigate(r), new(reached))
					header := answer.Header()
					if answer.Code != 200 || header.Get("Referrer-Policy") != "no-referrer" || header.Get("Cache-Control") != "no-store" || len(p.Cookies) > 0 {
						t.Fatalf("%s: %d %v", r.Method, answer.Code, header)
					}
					if body := answer.Body.String(); r.Method == "GET" && (!strings.Contains(body, "summer &lt;b&gt;album&lt;/b&gt;") || strings.Contains(body, "{{1}}") || strings.Contains(body, "<script") || strings.Count(body, path) != 1) {
						t.Errorf("%s", body)
					}
				}
			}
			p := visitor(t, h)
			answer := openLink(p, path)
			if answer.Code != 303 || answer.Header().Get("Location") != "/2026/" || answer.Header().Get("Referrer-Policy") != "no-referrer" || p.Cookies[guestCookie] == "" || strings.Contains(p.Cookies[guestCookie], path) {
				t.Fatalf("%d %v", answer.Code, answer.Header())
			}
			if answer := openLink(p, path); answer.Code != 303 {
				t.Errorf("the same guest again: %d", answer.Code)
			}
			if answer := openLink(visitor(t, h), path); answer.Code != 404 {
				t.Errorf("a second use: %d", answer.Code)
			}
			next := new(reached)
			if answer := p.Ask(navigate(get("/2026/a.jpg")), next); answer.Code != 200 || !strings.Contains(answer.Header().Get("Cache-Control"), "private") {
				t.Errorf("%d %v", answer.Code, answer.Header())
			}
			if next.Request == nil || next.Request.Header.Get("Cookie") != "" {
				t.Error("the upstream gets the cookie")
			}
			if there, err := lastLinks().Revoke(t.Context(), link.ID); !there || err != nil {
				t.Fatal(there, err)
			}
			if answer := p.Ask(secure(get("/2026/a.jpg")), new(reached)); answer.Code == 200 || p.Cookies[guestCookie] != "" {
				t.Errorf("after the link was revoked: %d, %v", answer.Code, p.Cookies)
			}
		})
	}
}

func lastLinks() *sharelink.Links {
	sites := authn.LinkSites()
	return sites[len(sites)-1].Links
}

// TestS19Guest: besides policy, the handler lets a guest only read, on the link's site, in
// every reading of the path; all else is answered as to an anonymous caller.
func TestS19Guest(t *testing.T) {
	w := newEnv(t)
	w.Write("links.yaml", strings.ReplaceAll(linkAccess, "default: [{authenticated: true}]", "default: [{links: true}, {authenticated: true}]"))
	h, _ := w.site(linkSite + "allow_ambiguous_paths dot_segment\nupgrades tcp\nidentity_headers {\n X-Id id\n X-User username\n X-Kind kind\n}\n")
	_, path := addLink(t, album)
	p := visitor(t, h)
	openLink(p, path)
	cookie := p.Cookies[guestCookie]
	for name, test := range map[string]struct {
		r    *http.Request
		want bool
	}{
		"S-19 a path of the link":          {get("/2026/a.jpg?size=1"), true},
		"S-19 HEAD":                        {head("/2026/"), true},
		"S-19 the path itself":             {get("/2026"), true},
		"S-19 another path":                {get("/2025/a.jpg"), false},
		"S-19 a longer segment":            {get("/20265/a"), false},
		"S-19 upper case below it":         {get("/2026/A"), true},
		"S-19 dot segments into it":        {get("/2025/../2026/a"), false},
		"S-19 POST":                        {post("/2026/a", "Sec-Fetch-Site", "same-origin"), false},
		"S-19 PUT":                         {asMethod("PUT", "/2026/a"), false},
		"S-19 another method by a header":  {get("/2026/a", "X-HTTP-Method-Override", "DELETE"), false},
		"S-19 another method by the query": {get("/2026/a?_method=delete"), false},
		"S-19 GET by a header":             {get("/2026/a", "X-HTTP-Method-Override", "GET"), true},
		"S-19 a WebSocket":                 {get("/2026/a", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==", "Origin", "https://example.com"), false},
		"S-19 a destination":               {get("/2026/a", "Destination", "https://example.com/2026/b"), false},
		"S-19 dot segments":                {get("/2026/../2025/a"), false},
		"S-19 encoded dot segments":        {get("/2026/%2e%2e/2025"), false},
		"S-19 an encoded slash":            {get("/2026%2fa"), false},
		"S-19 another host":                {get("https://other.example.com/2026/a"), false},
		"S-19 admin":                       {get("/2026/private/a"), false},
		"S-19 open to all":                 {get("/open/a"), true},
	} {
		next := new(reached)
		p.Cookies[guestCookie] = cookie // another host, to which no browser sends it, deletes it
		answer := p.Ask(secure(test.r), next)
		if got := next.Request != nil; got != test.want {
			t.Errorf("%s: %d", name, answer.Code)
		}
		if !test.want && answer.Code != 401 && answer.Code != 400 {
			t.Errorf("%s: %d, where an anonymous caller gets 401", name, answer.Code)
		}
		if test.want && next.Request != nil && strings.HasPrefix(test.r.URL.Path, "/2026") {
			if got := next.Request.Header; got.Get("X-User") != "" || !strings.HasPrefix(got.Get("X-Id"), "link:") || got.Get("X-Kind") != "guest" {
				t.Errorf("%s: the upstream is told %v", name, got)
			}
		}
	}
	answer := p.Ask(navigate(get("/2026/private/a")), new(reached))
	if to := answer.Header().Get("Location"); answer.Code != 303 || !strings.HasPrefix(to, "/.policy_auth/login?") {
		t.Errorf("a denied navigation: %d to %s", answer.Code, to)
	}
}

func asMethod(method, target string) *http.Request {
	r := get(target)
	r.Method = method
	return r
}

// TestS19SessionWins: a signed-in person stays signed in and uses nothing up, and signing in
// ends the guest.
func TestS19SessionWins(t *testing.T) {
	w := newEnv(t)
	w.Write("links.yaml", linkAccess)
	h, _ := w.site(linkSite + "identity_headers {\n X-Id id\n}\n")
	spec := album
	spec.Uses = 1
	_, path := addLink(t, spec)
	p := visitor(t, h)
	p.SignIn("/", "alice", canary)
	session := p.Cookies["__Host-policy_auth"]
	if answer := openLink(p, path); answer.Code != 303 || answer.Header().Get("Location") != "/2026/" || p.Cookies[guestCookie] != "" || p.Cookies["__Host-policy_auth"] != session {
		t.Errorf("%d %v", answer.Code, p.Cookies)
	}
	guest := visitor(t, h)
	openLink(guest, path) // the only use
	cookie := guest.Cookies[guestCookie]
	if cookie == "" {
		t.Fatal("the session used the link up")
	}
	p.Cookies[guestCookie] = cookie
	next := new(reached)
	if p.Ask(secure(get("/2026/a")), next); next.Request == nil || next.Request.Header.Get("X-Id") != "alice" || next.Request.Header.Get("Cookie") != "" {
		t.Errorf("both cookies: %+v", next.Request)
	}
	guest.SignIn("/mail", "alice", canary)
	if guest.Cookies[guestCookie] != "" || guest.Cookies["__Host-policy_auth"] == "" {
		t.Errorf("after signing in: %v", guest.Cookies)
	}
	again := visitor(t, h)
	again.Cookies[guestCookie] = cookie
	if answer := again.Ask(secure(get("/2026/a", "Accept", "application/json")), new(reached)); answer.Code != 401 {
		t.Errorf("the cookie of the ended guest: %d", answer.Code)
	}
}

// TestS19DeadLinks: forged, expired, foreign, revoked, used and guessed links get one page, and
// unsafe requests are refused.
func TestS19DeadLinks(t *testing.T) {
	w := newEnv(t)
	w.Write("links.yaml", linkAccess)
	h, _ := w.site(linkSite)
	_, good := addLink(t, album)
	foreign := album
	foreign.URLs = []string{"https://other.example.com/*"}
	_, other := addLink(t, foreign)
	revoked, gone := addLink(t, album)
	if _, err := lastLinks().Revoke(t.Context(), revoked.ID); err != nil {
		t.Fatal(err)
	}
	var page string
	for name, path := range map[string]string{
		"S-19 guessed": sharelink.PathPrefix + strings.Repeat("A", 22), "S-19 forged": good + "x", "S-19 of another site": other,
		"S-19 revoked": gone, "S-19 without a token": sharelink.PathPrefix, "S-19 long": sharelink.PathPrefix + strings.Repeat("a", 5000),
	} {
		for _, r := range []*http.Request{get(path), post(path, "Sec-Fetch-Site", "same-origin")} {
			answer := visitor(t, h).Ask(secure(r), new(reached))
			body := strings.ReplaceAll(answer.Body.String(), answer.Header().Get("X-Request-Id"), "")
			if page == "" {
				page = body
			}
			if answer.Code != 404 || body != page || answer.Header().Get("Referrer-Policy") != "no-referrer" || len(answer.Result().Cookies()) > 0 {
				t.Errorf("%s: %s: %d %s", name, r.Method, answer.Code, answer.Body)
			}
		}
	}
	plain := post(good)
	plain.RemoteAddr = "198.51.100.1:1234"
	for name, test := range map[string]struct {
		r    *http.Request
		want int
	}{
		"S-03 GET in early data":  {secure(get(good, "Early-Data", "1")), 425},
		"S-03 POST in early data": {secure(post(good, "Early-Data", "1", "Sec-Fetch-Site", "same-origin")), 425},
		"from another site":       {secure(post(good, "Sec-Fetch-Site", "cross-site")), 403},
		"from another origin":     {secure(post(good, "Origin", "https://evil.example")), 403},
		"over plain HTTP":         {plain, 403},
		"DELETE":                  {secure(asMethod("DELETE", good)), 405},
		"OPTIONS":                 {secure(asMethod("OPTIONS", good)), 405},
	} {
		if answer := visitor(t, h).Ask(test.r, new(reached)); answer.Code != test.want || len(answer.Result().Cookies()) > 0 {
			t.Errorf("%s: %d", name, answer.Code)
		}
	}
	if answer := visitor(t, h).Ask(secure(post(good, "Origin", "null")), new(reached)); answer.Code != 303 {
		t.Errorf("an older browser: %d", answer.Code)
	}
}

// TestS19TokenInNoLog: no line of the log has a token or a guest's cookie, whatever happens.
func TestS19TokenInNoLog(t *testing.T) {
	w := newEnv(t)
	w.Write("links.yaml", linkAccess)
	h, logs := w.SiteWithDecisions(linkSite + corsSite)
	own, more := w.site(linkSite + corsSite)
	_, path := addLink(t, album)
	token := strings.TrimPrefix(path, sharelink.PathPrefix)
	for _, h := range []*browser{visitor(t, h), visitor(t, own)} {
		h.Ask(secure(get(path, "Early-Data", "1")), new(reached))
		h.Ask(secure(get(path, "Origin", "https://evil.example")), new(reached))
		h.Ask(secure(post(path, "Origin", "https://evil.example")), new(reached))
		h.Ask(secure(asMethod("OPTIONS", path)), new(reached))
		h.Ask(secure(get(path+"?a=b")), new(reached))
		h.Ask(secure(get(path+"/x")), new(reached))
		h.Ask(secure(get(path)), new(reached))
		openLink(h, path)
		h.Ask(secure(get("/2026/private/a")), new(reached))
		h.Ask(secure(get("/2026/a")), new(reached))
		cookie := h.Cookies[guestCookie]
		if cookie == "" {
			t.Fatal("no guest")
		}
		for _, observed := range []*observer.ObservedLogs{logs, more} {
			for _, line := range observed.All() {
				text, _ := json.Marshal(line.ContextMap())
				if strings.Contains(string(text), token) || strings.Contains(string(text), cookie) || strings.Contains(line.Message, token) {
					t.Errorf("%s: %s", line.Message, text)
				}
			}
		}
	}
	if len(logs.All())+len(more.All()) == 0 {
		t.Error("nothing is logged")
	}
}

// TestS19PressedTwice: a button that is pressed twice opens a link with one use once, although
// the browser keeps the cookie of one answer alone.
func TestS19PressedTwice(t *testing.T) {
	w := newEnv(t)
	w.Write("links.yaml", linkAccess)
	h, _ := w.site(linkSite)
	spec := album
	spec.Uses = 1
	_, path := addLink(t, spec)
	pageID := regexp.MustCompile(`name="press" value="([^"]+)"`)
	page := func() string {
		found := pageID.FindStringSubmatch(visitor(t, h).Ask(secure(get(path)), new(reached)).Body.String())
		if found == nil {
			t.Fatal("a page without an ID")
		}
		return found[1]
	}
	first, other := page(), page()
	if first == other {
		t.Error("two pages have one ID")
	}
	press := func(id string) (*browser, *httptest.ResponseRecorder) {
		r := secure(post(path, "Sec-Fetch-Site", "same-origin", "Content-Type", "application/x-www-form-urlencoded"))
		r.Body = io.NopCloser(strings.NewReader("press=" + id))
		p := visitor(t, h) // has lost the cookie of the answer before
		return p, p.Ask(r, new(reached))
	}
	for _, try := range []string{"once", "twice", "thrice"} {
		p, answer := press(first)
		if answer.Code != 303 || answer.Header().Get("Location") != "/2026/" {
			t.Fatalf("%s: %d", try, answer.Code)
		}
		if answer := p.Ask(secure(get("/2026/a")), new(reached)); answer.Code != 200 {
			t.Errorf("%s: %d", try, answer.Code)
		}
	}
	for name, id := range map[string]string{"another page": other, "no page": "", "a long ID": strings.Repeat("a", 10<<10)} {
		if _, answer := press(id); answer.Code != 404 || len(answer.Result().Cookies()) > 0 {
			t.Errorf("%s: %d", name, answer.Code)
		}
	}
}

// TestS19LinkElsewhere: a link that is opened at a site without share links is a path as any
// other there, and no log has its token.
func TestS19LinkElsewhere(t *testing.T) {
	w := newEnv(t)
	decided, decisions := w.SiteWithDecisions(formSite + corsSite)
	h, logs := w.site(formSite + corsSite)
	token := "canary-4711-of-a-link"
	path := sharelink.PathPrefix + token
	for _, h := range []*browser{visitor(t, decided), visitor(t, h)} {
		for _, r := range []*http.Request{
			get(path, "Origin", "https://evil.example"), get(path, "Accept", "application/json"), navigate(get(path)), get(path + "?a=b"), get(path + "/x"),
			post(path), get("/", "Referer", "https://example.com"+path), asMethod("OPTIONS", path),
		} {
			if answer := h.Ask(secure(r), new(reached)); strings.Contains(fmt.Sprint(answer.Header(), answer.Body), token) {
				t.Errorf("%s %s is answered with the token", r.Method, r.URL)
			}
		}
	}
	for _, observed := range []*observer.ObservedLogs{decisions, logs} {
		if observed.Len() == 0 {
			t.Error("nothing is logged")
		}
		for _, line := range observed.All() {
			text, _ := json.Marshal(line.ContextMap())
			if strings.Contains(string(text)+line.Message, token) {
				t.Errorf("%s: %s", line.Message, text)
			}
		}
	}
}

// TestS19LinksAlone: without rules, only authenticated callers are allowed, and guests are
// not; with rules, only those for guests let them in.
func TestS19LinksAlone(t *testing.T) {
	for name, test := range map[string]struct {
		access string
		want   bool
	}{
		"S-19 no rules":                    {"", false},
		"S-19 no rule for guests":          {"rules: [{allow: [{authenticated: true}]}]", false},
		"S-19 a rule for guests":           {"rules: [{allow: [{links: true}]}]", true},
		"S-19 a rule for that kind":        {"rules: [{allow: [{kinds: [guest]}]}]", true},
		"S-19 a default for guests":        {"default: [{links: true}]", true},
		"S-19 a rule for other kinds only": {"rules: [{allow: [{kinds: [user]}]}]", false},
	} {
		w := newEnv(t)
		block := strings.ReplaceAll(linkSite, "access DIR/links.yaml\n", "")
		if test.access != "" {
			w.Write("links.yaml", test.access)
			block = linkSite
		}
		h, _ := w.site(block)
		_, path := addLink(t, album)
		p := visitor(t, h)
		openLink(p, path)
		next := new(reached)
		if p.Ask(secure(get("/2026/a")), next); (next.Request != nil) != test.want {
			t.Errorf("%s: reached %v", name, next.Request != nil)
		}
	}
}
