package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestS23Me: S-23. Who is signed in, by each method of the site, for its own pages and
// allowed ones; all other pages get the same answer, signed in or not.
func TestS23Me(t *testing.T) {
	w := newEnv(t)
	w.Match = `[{"path": ["/private/*"]}]`
	h, _ := w.site(formSite + strings.Replace(basicSite, "access DIR/access.yaml\n", "", 1) + "cors {\n origins " + origin + "\n credentials\n }\nme\n")
	b := visitor(t, h)
	b.SignIn("/private/x", "alice", canary)
	known := func(r *http.Request) *http.Request {
		for name, value := range b.Cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		return r
	}
	const url = "https://example.com/.policy_auth/me"
	const alice = `{"id":"alice","username":"alice","name":"","email":"","roles":["admin","member"],"groups":[],"expires_at":`
	problem := func(text string) bool { return strings.HasPrefix(text, "{") && strings.Contains(text, `"status"`) }
	for name, test := range map[string]struct {
		r      *http.Request
		status int
	}{
		"a page":                       {known(get(url, "Sec-Fetch-Site", "same-origin")), 200},
		"a password":                   {asUser(get(url), "alice"), 200},
		"a navigation":                 {known(navigate(get(url, "Sec-Fetch-Site", "none"))), 200},
		"an allowed origin":            {known(get(url, "Origin", origin, "Sec-Fetch-Site", "same-site")), 200},
		"a page, signed out":           {get(url, "Sec-Fetch-Site", "same-origin"), 401},
		"a navigation, signed out":     {navigate(get(url, "Sec-Fetch-Site", "none")), 401},
		"an allowed origin,signed out": {get(url, "Origin", origin), 401},
		"a bad password":               {basic(get(url), "alice", "wrong"), 401},
		"POST":                         {known(post(url, "Sec-Fetch-Site", "same-origin")), 405},
	} {
		recorder, err := ask(h, test.r, new(reached))
		header, body := recorder.Header(), recorder.Body.String()
		if err != nil || recorder.Code != test.status || header.Get("Cache-Control") != "no-store" || header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%s: %d %v %v", name, recorder.Code, err, header)
		}
		if test.status == 200 && !strings.HasPrefix(body, alice) || test.status == 401 && !problem(body) {
			t.Errorf("%s: %s", name, body)
		}
		if allowed := header.Get("Access-Control-Allow-Origin"); (allowed != "") != (test.r.Header.Get("Origin") == origin) {
			t.Errorf("%s: allows %q", name, allowed)
		}
	}
	for _, header := range [][]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "null"}, {"Referer", "https://evil.example/"}} {
		var answers []string
		for _, r := range []*http.Request{get(url, header...), known(get(url, header...)), asUser(get(url, header...), "alice"), known(navigate(get(url, header...)))} {
			recorder, err := ask(h, r, new(reached))
			id := recorder.Header().Get("X-Request-Id")
			recorder.Header().Del("X-Request-Id")
			answers = append(answers, strings.ReplaceAll(fmt.Sprint(recorder.Code, err, recorder.Header(), recorder.Body), id, ""))
		}
		for _, answer := range answers {
			if answer != answers[0] || !strings.HasPrefix(answer, "403 ") {
				t.Errorf("%v: %s\n%s", header, answer, answers[0])
			}
		}
	}
}

// TestS23NoMe: a site without me leaves the path to its next handler.
func TestS23NoMe(t *testing.T) {
	h, _ := newEnv(t).site(basicSite)
	next := new(reached)
	if recorder, err := ask(h, asUser(get("/.policy_auth/me"), "alice"), next); statusOf(recorder, err) != 200 || next.Request == nil {
		t.Errorf("%d", statusOf(recorder, err))
	}
}
