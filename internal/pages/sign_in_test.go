package pages

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestSignInPages: each page is whole in each language, has the site's brand, and is
// the built-in one whatever the refused see.
func TestSignInPages(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "error.html"), []byte("of the site's own"), 0o600); err != nil {
		t.Fatal(err)
	}
	brand := Brand{Name: "Example & Co", Logo: "/logo.svg", Color: "#36c", SupportURL: "/help", HomeURL: "/home"}
	for name, config := range map[string]Config{"built in": {Brand: brand}, "own pages": {Brand: brand, Dir: dir}, "bare": {Brand: brand, Bare: true}} {
		p := open(t, config)
		for _, kind := range []SignInKind{PasswordLogin, ChooseLogin, SignedIn, SignOut, SignedOut, SignInLoop} {
			for _, language := range []string{"en", "de", "fr", "es"} {
				r := httptest.NewRequest("GET", "/.policy_auth/login", nil)
				r.Header.Set("Accept-Language", language)
				recorder := httptest.NewRecorder()
				page := SignInPage{Kind: kind, Identity: &authenticator.Identity{ID: "alice"}, Action: "/action", GoOnURL: "/on", LoginURL: "/again"}
				if err := p.WriteSignIn(recorder, r, page); err != nil {
					t.Fatal(err)
				}
				body := recorder.Body.String()
				for _, want := range []string{"Example &amp; Co", `src="/logo.svg"`, "--accent:#36c", `href="/help"`, `href="/home"`, `lang="` + language + `"`, "<strong>alice</strong>", `href="/on"`, `href="/again"`} {
					if !strings.Contains(body, want) {
						t.Errorf("%s, %s, %s: no %s in %s", name, kind, language, want, body)
					}
				}
				for _, empty := range []string{"<h1></h1>", "<p></p>", `"></a>`, `"submit"></button>`, "<p> <strong>"} {
					if strings.Contains(body, empty) {
						t.Errorf("%s, %s, %s: %s", name, kind, language, empty)
					}
				}
			}
		}
	}
}
