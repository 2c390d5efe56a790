package testenv

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Browser is a user's browser, with its cookies.
type Browser struct {
	T       testing.TB
	H       caddyhttp.MiddlewareHandler
	Cookies map[string]string
}

// NewBrowser returns a browser without cookies before a site.
func NewBrowser(t testing.TB, h caddyhttp.MiddlewareHandler) *Browser {
	return &Browser{T: t, H: h, Cookies: map[string]string{}}
}

// Ask sends a request with the browser's cookies, and keeps those of the answer.
func (b *Browser) Ask(r *http.Request, next *Reached) *httptest.ResponseRecorder {
	b.T.Helper()
	for name, value := range b.Cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	recorder, err := Ask(b.H, r, next)
	if err != nil {
		b.T.Fatal(err)
	}
	for _, cookie := range recorder.Result().Cookies() {
		b.Cookies[cookie.Name] = cookie.Value
		if cookie.MaxAge < 0 {
			delete(b.Cookies, cookie.Name)
		}
	}
	return recorder
}

// SignIn follows the redirect of a denied navigation to the form and fills it in.
func (b *Browser) SignIn(target, name, password string) *httptest.ResponseRecorder {
	b.T.Helper()
	sent := b.Ask(Navigate(Get(target)), new(Reached))
	form := sent.Header().Get("Location")
	if sent.Code != http.StatusSeeOther || !strings.HasPrefix(form, "/.policy_auth/login?") {
		b.T.Fatalf("not sent to sign in: %d %v", sent.Code, sent.Header())
	}
	page := b.Ask(Navigate(Get(form)), new(Reached)).Body.String()
	token := FormToken.FindStringSubmatch(page)
	if token == nil {
		b.T.Fatalf("no form: %s", page)
	}
	return b.Ask(Filled(form, name, password, token[1]), new(Reached))
}

// AtProvider lets a provider for tests sign its user in, and returns the path of the
// site that it redirects the browser to.
func (b *Browser) AtProvider(to string) string {
	b.T.Helper()
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer browser.CloseIdleConnections()
	answer, err := browser.Get(to)
	if err != nil {
		b.T.Fatal(err)
	}
	_ = answer.Body.Close()
	back, ok := strings.CutPrefix(answer.Header.Get("Location"), "https://example.com/")
	if !ok {
		b.T.Fatalf("the provider answered %d %v", answer.StatusCode, answer.Header)
	}
	return "/" + back
}

// SignInAt follows the redirect of a denied navigation to the provider and back.
func (b *Browser) SignInAt(target string) *httptest.ResponseRecorder {
	b.T.Helper()
	sent := b.Ask(Navigate(Get(target)), new(Reached))
	if sent.Code != http.StatusSeeOther {
		b.T.Fatalf("not sent to sign in: %d %v", sent.Code, sent.Header())
	}
	begun := b.Ask(Navigate(Get(sent.Header().Get("Location"))), new(Reached))
	if begun.Code != http.StatusSeeOther {
		b.T.Fatalf("not sent to the provider: %d %s", begun.Code, begun.Body)
	}
	return b.Ask(Navigate(Get(b.AtProvider(begun.Header().Get("Location")))), new(Reached))
}
