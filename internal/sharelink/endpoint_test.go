package sharelink

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
)

// testSite is a site in a test, with what it reports and the outcome that other methods have.
type testSite struct {
	*env
	Site
	outcome authenticator.Outcome
	events  []Event
}

func newSite(t *testing.T) *testSite {
	t.Helper()
	rendered, err := pages.New(pages.Config{}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	s := &testSite{env: newEnv(t)}
	s.Site = Site{
		Links: s.env.Links, Pages: rendered,
		Identify: func(*Request) authenticator.Outcome { return s.outcome },
		Report:   func(_ *Request, e Event) { s.events = append(s.events, e) },
	}
	return s
}

// serve answers a request of a browser with a cookie, or "", that change alters.
func (s *testSite) serve(method, path, cookie, body string, change func(*Request)) *http.Response {
	r := httptest.NewRequest(method, "https://"+host+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: cookieName, Value: cookie})
	}
	recorder := httptest.NewRecorder()
	asked := &Request{W: recorder, R: r, Path: path, HTTPS: true, Secure: true, RequestID: "id"}
	if change != nil {
		change(asked)
	}
	s.Serve(asked)
	return recorder.Result()
}

// TestS19Endpoint: looking uses nothing up, the button opens the link once, and what may be
// forged, overheard or replayed is refused unread.
func TestS19Endpoint(t *testing.T) {
	s := newSite(t)
	_, token := s.add(t, 1)
	path := PathPrefix + token
	for name, test := range map[string]struct {
		method string
		change func(*Request)
		want   int
	}{
		"GET":                     {"GET", nil, 200},
		"HEAD":                    {"HEAD", nil, 200},
		"PUT":                     {"PUT", nil, 405},
		"OPTIONS":                 {"OPTIONS", nil, 405},
		"S-03 GET in early data":  {"GET", func(v *Request) { v.EarlyData = true }, 425},
		"S-03 POST in early data": {"POST", func(v *Request) { v.EarlyData = true }, 425},
		"GET that others read":    {"GET", func(v *Request) { v.Secure = false }, 403},
		"POST that others read":   {"POST", func(v *Request) { v.Secure = false }, 403},
		"POST of another site":    {"POST", func(v *Request) { v.R.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		"POST of a subdomain":     {"POST", func(v *Request) { v.R.Header.Set("Sec-Fetch-Site", "same-site") }, 403},
		"POST of another origin, as an old browser sends it": {"POST", func(v *Request) {
			v.R.Header.Del("Sec-Fetch-Site")
			v.R.Header.Set("Origin", "https://evil.example")
		}, 403},
		"POST of a hidden origin of another site": {"POST", func(v *Request) {
			v.R.Header.Set("Sec-Fetch-Site", "cross-site")
			v.R.Header.Set("Origin", "null")
		}, 403},
	} {
		if answer := s.serve(test.method, path, "", "", test.change); answer.StatusCode != test.want || len(answer.Cookies()) > 0 {
			t.Errorf("%s: %d, %v", name, answer.StatusCode, answer.Cookies())
		}
	}
	if list, err := s.List(t.Context()); err != nil || len(list) != 1 || list[0].Used != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	opened := s.serve("POST", path, "", "", nil)
	if opened.StatusCode != 303 || opened.Header.Get("Location") != "/2026/" || opened.Header.Get("Referrer-Policy") != "no-referrer" || len(opened.Cookies()) != 1 {
		t.Fatalf("%d %v", opened.StatusCode, opened.Header)
	}
	cookie := opened.Cookies()[0]
	if cookie.Name != cookieName || !cookie.HttpOnly || !cookie.Secure || cookie.MaxAge != 7*24*60*60 {
		t.Errorf("%v", cookie)
	}
	for name, test := range map[string]struct {
		method, cookie string
		want           int
	}{
		"the guest looks":         {"GET", cookie.Value, 200},
		"the guest goes on":       {"POST", cookie.Value, 303},
		"another browser looks":   {"GET", "", 404},
		"another browser opens":   {"POST", "", 404},
		"one with a forged guest": {"POST", cookie.Value[:20] + newSecret(), 404},
	} {
		if answer := s.serve(test.method, path, test.cookie, "", nil); answer.StatusCode != test.want || len(answer.Cookies()) > 0 {
			t.Errorf("%s: %d, %v", name, answer.StatusCode, answer.Cookies())
		}
	}
	_, second := s.add(t, 1)
	other := s.serve("POST", PathPrefix+second, cookie.Value, "", nil)
	if other.StatusCode != 303 || len(other.Cookies()) != 1 || other.Cookies()[0].Value == cookie.Value {
		t.Errorf("a second link in the same browser: %d, %v", other.StatusCode, other.Cookies())
	}
	var uses int
	for _, e := range s.events {
		if e.Opened {
			uses++
		}
		if e.Opened && !strings.HasPrefix(e.Identity.ID, "link:") {
			t.Errorf("%+v", e)
		}
		if e.Err != nil && strings.Contains(e.Err.Error(), token) {
			t.Errorf("the token is in an error: %v", e.Err)
		}
	}
	if uses != 2 {
		t.Errorf("%d uses are reported", uses)
	}
}

// TestS19Start: a link to a page of this module leads to the root, so that pressing the button
// does nothing else.
func TestS19Start(t *testing.T) {
	s := newSite(t)
	link, _, err := Spec{URLs: []string{"https://" + host + "/.policy_auth/logout"}}.Parse(s.time)
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := s.Add(t.Context(), link, DefaultMaxAge)
	if err != nil {
		t.Fatal(err)
	}
	if answer := s.serve("POST", PathPrefix+token, "", "", nil); answer.Header.Get("Location") != "/" {
		t.Errorf("%v", answer.Header)
	}
}

// TestS19Identified: a caller who is signed in, or may be, does not become a guest and uses
// nothing up.
func TestS19Identified(t *testing.T) {
	for name, test := range map[string]struct {
		outcome authenticator.Outcome
		want    int
		guest   bool
	}{
		"signed in":                   {authenticator.Accept(authenticator.Anonymous()), 303, false},
		"signed in, seems cross-site": {authenticator.Reject(authenticator.ReasonCrossSite), 303, false},
		"the store is unavailable":    {authenticator.Outcome{Verdict: authenticator.Unavailable}, 503, false},
		"a method failed":             {authenticator.Outcome{Verdict: authenticator.Failed, Err: errors.New("broken")}, 503, false},
		"anonymous":                   {authenticator.Outcome{Verdict: authenticator.Absent}, 303, true},
		"a wrong password":            {authenticator.Reject(authenticator.ReasonCredentialsInvalid), 303, true},
	} {
		s := newSite(t)
		s.outcome = test.outcome
		_, token := s.add(t, 1)
		answer := s.serve("POST", PathPrefix+token, "", "", nil)
		if answer.StatusCode != test.want || (len(answer.Cookies()) > 0) != test.guest {
			t.Errorf("%s: %d, %v", name, answer.StatusCode, answer.Cookies())
		}
		if list, _ := s.List(t.Context()); (list[0].Used > 0) != test.guest {
			t.Errorf("%s: %d uses", name, list[0].Used)
		}
	}
}

// TestS19PressForm: each page has an ID of its own, whose form makes one guest, and no other
// text does.
func TestS19PressForm(t *testing.T) {
	s := newSite(t)
	_, token := s.add(t, 1)
	path := PathPrefix + token
	field := regexp.MustCompile(`name="press" value="([^"]+)"`)
	page := func() string {
		answer := s.serve("GET", path, "", "", nil)
		text := new(strings.Builder)
		_ = answer.Write(text)
		return field.FindStringSubmatch(text.String())[1]
	}
	press, other := page(), page()
	if !isSecret(press) || press == other {
		t.Errorf("%s, %s", press, other)
	}
	first := s.serve("POST", path, "", pressField+"="+press, nil)
	again := s.serve("POST", path, "", pressField+"="+press, nil)
	if again.StatusCode != 303 || len(again.Cookies()) != 1 || again.Cookies()[0].Value != first.Cookies()[0].Value {
		t.Errorf("%d, %v", again.StatusCode, again.Cookies())
	}
	for name, body := range map[string]string{
		"another page": pressField + "=" + other, "no ID": "", "in the query of another": "a=b&" + pressField + "2=" + press,
		"a long form": "a=" + strings.Repeat("b", maxFormBytes) + "&" + pressField + "=" + press, "a bad form": "%zz&" + pressField + "=" + press,
	} {
		if answer := s.serve("POST", path, "", body, nil); answer.StatusCode != 404 || len(answer.Cookies()) > 0 {
			t.Errorf("%s: %d", name, answer.StatusCode)
		}
	}
	if len(s.events) == 0 || !s.events[0].Opened || s.events[1].Opened {
		t.Errorf("%+v", s.events)
	}
}
