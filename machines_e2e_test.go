//go:build e2e

package policyauth

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/store/redistest"
)

// surfer is a browser as far as cookies and forms go; it follows no redirects.
type surfer struct {
	t testing.TB
	*http.Client
}

func newSurfer(t testing.TB) *surfer {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &surfer{t, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// send makes a request as a navigation does, and returns the status, where it
// leads and the page.
func (s *surfer) send(method, at string, form url.Values) (status int, to, page string) {
	s.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequest(method, at, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for name, value := range map[string]string{"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"} {
		r.Header.Set(name, value)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := s.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if wrong := inspect(response.StatusCode, response.Header); isOurs(response.Header) && wrong != nil {
		s.t.Errorf("%s %s: %v", method, at, wrong)
	}
	if location := response.Header.Get("Location"); location != "" {
		next, err := r.URL.Parse(location)
		if err != nil {
			s.t.Fatal(err)
		}
		to = next.String()
	}
	return response.StatusCode, to, string(content)
}

// want gets a URL, which must be answered with a status.
func (s *surfer) want(at string, want int) {
	s.t.Helper()
	if status, to, page := s.send("GET", at, nil); status != want {
		s.t.Errorf("%s: status %d to %q, want %d: %s", at, status, to, want, page)
	}
}

// formFields finds the action and the hidden fields of a page's form.
var (
	formAction = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
	formHidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
)

// submit fills in the form of a page and sends it.
func (s *surfer) submit(at, page string, fields url.Values) (status int, to, answer string) {
	s.t.Helper()
	action := formAction.FindStringSubmatch(page)
	if action == nil {
		s.t.Fatalf("%s: no form in %s", at, page)
	}
	here, err := url.Parse(at)
	if err != nil {
		s.t.Fatal(err)
	}
	there, err := here.Parse(html.UnescapeString(action[1]))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, hidden := range formHidden.FindAllStringSubmatch(page, -1) {
		fields.Set(hidden[1], html.UnescapeString(hidden[2]))
	}
	return s.send("POST", there.String(), fields)
}

// signIn opens a page, signs in through the form and is back at the page.
func (s *surfer) signIn(at, user string) {
	s.t.Helper()
	status, to, _ := s.send("GET", at, nil)
	if status != http.StatusSeeOther {
		s.t.Fatalf("%s: status %d", at, status)
	}
	_, _, page := s.send("GET", to, nil)
	status, back, answer := s.submit(to, page, url.Values{"username": {user}, "password": {canary}})
	if status != http.StatusSeeOther || back != at {
		s.t.Fatalf("signed in, sent to %q with %d, want %q: %s", back, status, at, answer)
	}
	s.want(at, http.StatusOK)
}

// signOut presses the button of the sign-out page.
func (s *surfer) signOut(site string) {
	s.t.Helper()
	at := site + "/.policy_auth/logout"
	_, _, page := s.send("GET", at, nil)
	if status, _, answer := s.submit(at, page, url.Values{}); status != http.StatusSeeOther {
		s.t.Fatalf("signing out: %d: %s", status, answer)
	}
}

// keptIn is a site with a sign-in form and a store.
func keptIn(store string) string {
	return fmt.Sprintf("policy_auth {\nlogin form {\nusers DIR/users.yaml\n}\nsession {\nstore %s\n}\n}\nrespond protected", store)
}

// TestE2EMachines: two Caddys with one Redis are one site. Who signs in at one is
// known at the other; who is signed out at one is refused at both, and an
// operator ends what began elsewhere (R-SES-5). Without Redis nothing is known,
// which is 503 and not a sign-in page (R-401-6); with it, all is as it was.
func TestE2EMachines(t *testing.T) {
	w, redis := newWorld(t), redistest.New(t)
	_, first := w.serve(keptIn("redis " + redis.URL()))
	second, other := w.serve(keptIn("redis " + redis.URL()))

	alice := newSurfer(t)
	alice.signIn(first+"/a", "alice")
	alice.want(other+"/b", http.StatusOK)
	old := alice.Jar
	alice.Jar = copied(t, old, first)
	alice.signOut(other)
	alice.Jar = old // the cookie is kept, the session is not
	alice.want(other+"/b", http.StatusSeeOther)
	eventually(t, "both refuse the old cookie", func() bool {
		status, _, _ := alice.send("GET", first+"/a", nil)
		return status == http.StatusSeeOther
	})

	bob := newSurfer(t)
	bob.signIn(first+"/a", "bob")
	if status, _, answer := do(t, "DELETE", second.admin+"/policy_auth/sessions?user=bob", ""); status != http.StatusOK && status != http.StatusNoContent {
		t.Errorf("ending bob's sessions: %d %s", status, answer)
	}
	eventually(t, "the operator of one machine signs out on both", func() bool {
		status, _, _ := bob.send("GET", first+"/a", nil)
		return status == http.StatusSeeOther
	})

	bob.signIn(other+"/b", "bob")
	redis.Stop()
	eventually(t, "without a store nothing is known", func() bool {
		status, _, _ := bob.send("GET", other+"/b", nil)
		return status == http.StatusServiceUnavailable
	})
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the machines find the store again", func() bool {
		status, _, _ := bob.send("GET", other+"/b", nil)
		return status == http.StatusSeeOther // this Redis keeps nothing on disk
	})
	bob.signIn(first+"/a", "bob")
}

// copied returns a jar with the cookies for a URL.
func copied(t testing.TB, jar http.CookieJar, at string) http.CookieJar {
	t.Helper()
	there, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	fresh.SetCookies(there, jar.Cookies(there))
	return fresh
}

// TestE2EKilled: a Caddy that was killed knows its people again, and whom it has
// signed out stays out (issue: a restart logs nobody out).
func TestE2EKilled(t *testing.T) {
	w := newWorld(t)
	admin, listen := "127.0.0.1:"+port(t), port(t)
	site, at := strings.ReplaceAll(keptIn("file DIR/store.db"), "DIR", w.dir), "http://127.0.0.1:"+listen
	w.write("Caddyfile", fmt.Sprintf("{\n admin %s\n}\n%s {\n%s\n}\n", admin, at, site))
	first := start(t, w.dir, "Caddyfile", admin)
	alice, bob := newSurfer(t), newSurfer(t)
	alice.signIn(at+"/a", "alice")
	bob.signIn(at+"/b", "bob")
	kept := copied(t, bob.Jar, at)
	bob.signOut(at)
	bob.Jar = kept
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.stop()
	start(t, w.dir, "Caddyfile", admin)
	alice.want(at+"/a", http.StatusOK)
	bob.want(at+"/b", http.StatusSeeOther)
}
