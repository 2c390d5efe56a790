//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// serveLogin runs a site where people sign in at a provider.
func (w *env) serveLogin(fake *oidctest.Provider, more string) (*server, string) {
	return w.serve("policy_auth {\n login oidc " + fake.URL + " {\n client_id " + fake.ClientID + "\n client_secret " + fake.ClientSecret + "\n" + more + " }\n }\n respond \"reached {http.request.uri}\"")
}

// TestE2E_N23_S29_Audiences: an ID token for several audiences signs in if azp
// names the client or the site tolerates them, and not otherwise.
func TestE2E_N23_S29_Audiences(t *testing.T) {
	for name, test := range map[string]struct {
		claims map[string]any
		status int
	}{
		"N-23 ZITADEL":                    {map[string]any{"aud": []any{"CLIENT", "281@project", "281"}, "azp": "CLIENT"}, 200},
		"N-23 tolerated":                  {map[string]any{"aud": []any{"CLIENT", "account"}}, 200},
		"S-29 another audience":           {map[string]any{"aud": []any{"CLIENT", "other"}}, 502},
		"S-29 issued to another":          {map[string]any{"aud": []any{"CLIENT", "account"}, "azp": "account"}, 502},
		"S-29 a tolerated audience alone": {map[string]any{"aud": []any{"account"}}, 502},
	} {
		t.Run(name, func(t *testing.T) {
			w, fake := newEnv(t), oidctest.New(t)
			fake.IDToken = func(_ string, _, claims map[string]any) {
				delete(claims, "azp")
				for claim, value := range test.claims {
					claims[claim] = value
					if list, ok := value.([]any); ok {
						for i := range list {
							list[i] = strings.ReplaceAll(list[i].(string), "CLIENT", fake.ClientID)
						}
					} else {
						claims[claim] = strings.ReplaceAll(value.(string), "CLIENT", fake.ClientID)
					}
				}
			}
			s, url := w.serveLogin(fake, "audience account\n")
			if status, _, page := newFollower(t).open(url+"/page", nil); status != test.status || status == 200 && page != "reached /page" {
				t.Errorf("%d %s\n%s", status, page, s.logged())
			}
		})
	}
}

// TestE2E_N24_N32_SixTabs: six tabs of a browser without a session begin to sign in at
// the same moment; each reaches the page that it asked for, also with a query that
// browsers send as it is (N-32).
func TestE2E_N24_N32_SixTabs(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	s, url := w.serveLogin(fake, "")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for tab := range 6 {
		group.Go(func() {
			browser := &http.Client{Jar: jar}
			defer browser.CloseIdleConnections()
			path := fmt.Sprintf("/tab/%d?q={a|b}^`", tab)
			r, err := http.NewRequest(http.MethodGet, url+path, nil)
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Accept", "text/html")
			r.Header.Set("Sec-Fetch-Mode", "navigate")
			r.Header.Set("Sec-Fetch-Dest", "document")
			answer, err := browser.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer answer.Body.Close()
			page, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != 200 || string(page) != "reached "+path {
				t.Errorf("tab %d: %d %s %v", tab, answer.StatusCode, page, err)
			}
		})
	}
	group.Wait()
	if t.Failed() {
		t.Log(s.logged())
	}
}

// callbackOf begins a sign-in and returns the address of the callback that the provider
// sends the browser to.
func callbackOf(f *follower, page string) string {
	f.t.Helper()
	callback := ""
	f.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.Path, "/.policy_auth/callback/") {
			callback = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}
	status, end, answer := f.open(page, nil)
	if callback == "" {
		f.t.Fatal("no callback: ", status, end, answer)
	}
	f.CheckRedirect = nil
	return callback
}

// TestE2E_N31OldCallback: the callback of a used sign-in leads on to the page that was
// asked for, and one that failed in passing is tried again.
func TestE2E_N31OldCallback(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	fake.ExpiresIn = 3600 // no refresh in between
	s, url := w.serveLogin(fake, "")
	f := newFollower(t)
	callback := callbackOf(f, url+"/mail?folder=in")
	f.open(callback, nil)
	if status, end, page := f.open(callback, nil); status != 200 || end != url+"/mail?folder=in" || page != "reached /mail?folder=in" || fake.Seen("/token") != 1 {
		t.Errorf("the Back button: %d %s %s\n%s", status, end, page, s.logged())
	}
	if status, _, page := newFollower(t).open(callback, nil); status != 400 || strings.Contains(page, "mail") {
		t.Errorf("another browser: %d %s", status, page)
	}

	f = newFollower(t)
	callback = callbackOf(f, url+"/late")
	fake.Set(func(p *oidctest.Provider) { p.Down = true })
	if status, _, page := f.open(callback, nil); status != 503 {
		t.Errorf("the provider is down: %d %s", status, page)
	}
	fake.Set(func(p *oidctest.Provider) { p.Down = false })
	if status, end, page := f.open(callback, nil); status != 200 || end != url+"/late" || page != "reached /late" {
		t.Errorf("a reload after a failure: %d %s %s\n%s", status, end, page, s.logged())
	}
}

// TestE2E_N34StepUp: the page of a step-up that the provider did not satisfy links to the
// same step-up for the same page.
func TestE2E_N34StepUp(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	fake.IDToken = func(_ string, _, claims map[string]any) { claims["acr"] = "1" }
	_, url := w.serveLogin(fake, "")
	status, _, page := newFollower(t).open(url+"/.policy_auth/login?acr_values=phr&max_age=60&return_to=%2Fvault%3Fdoor%3D2", nil)
	const want = `href="/.policy_auth/login?acr_values=phr&amp;max_age=60&amp;return_to=%2Fvault%3Fdoor%3D2"`
	if status != 403 || !strings.Contains(page, want) {
		t.Errorf("%d, no %s in %s", status, want, page)
	}
}
