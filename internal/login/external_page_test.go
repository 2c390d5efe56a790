package login

import (
	"net/url"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestPage: where to come back to is one value, whatever is in it.
func TestPage(t *testing.T) {
	back := "https://app.example.com/a b/ü?x=1&y=2#z"
	const escaped = "https%3A%2F%2Fapp.example.com%2Fa%20b%2F%C3%BC%3Fx%3D1%26y%3D2%23z"
	tests := map[string]string{
		"https://login.example.com/?rd={return_to}":          "https://login.example.com/?rd=" + escaped,
		"https://login.example.com/?rd={return_to}&x=1":      "https://login.example.com/?rd=" + escaped + "&x=1",
		"https://login.example.com/#/in?to={return_to}":      "https://login.example.com/#/in?to=" + escaped,
		"https://l.example/?a={return_to}&b={return_to}":     "https://l.example/?a=" + escaped + "&b=" + escaped,
		"/oauth2/start?rd={return_to}":                       "/oauth2/start?rd=" + escaped,
		"https://login.example.com/fixed":                    "https://login.example.com/fixed",
		"http://localhost:9091/?rd={return_to}":              "http://localhost:9091/?rd=" + escaped,
		"https://login.example.com:8443/a%20b/?{return_to}=": "https://login.example.com:8443/a%20b/?" + escaped + "=",
	}
	for template, want := range tests {
		page, err := ParseExternalPage(template)
		if err != nil {
			t.Errorf("%s: %v", template, err)
			continue
		}
		if got := page.URL(back); got != want {
			t.Errorf("%s: got %s", template, got)
		}
		if page.HasReturnTo() != strings.Contains(template, placeholder) {
			t.Errorf("%s returns: %v", template, page.HasReturnTo())
		}
	}
}

// TestPageErrors: T-63. A template that could lead elsewhere is refused.
func TestPageErrors(t *testing.T) {
	tests := map[string]string{
		"":                                     "neither an https URL nor a path",
		"login.example.com/?rd={return_to}":    "neither an https URL nor a path",
		"//login.example.com/?rd={return_to}":  "neither an https URL nor a path",
		"javascript:alert({return_to})":        "has the scheme javascript",
		"https:/login?rd={return_to}":          "has the scheme https",
		"https://u:p@login.example.com/":       "is not a URL such as",
		"https://login.example.com/{other}":    "{other} is not replaced in",
		"https://login.example.com/a b":        "is not a URL such as",
		"/\\evil?rd={return_to}":               "is not a URL such as",
		"https://login.example.com/%zz":        "is not a URL such as",
		"https://{return_to}/":                 "stands in a value of the query",
		"{return_to}":                          "neither an https URL nor a path",
		"https://login.example.com{return_to}": "stands in a value of the query",
		"/{return_to}":                         "stands in a value of the query",
	}
	for template, want := range tests {
		if _, err := ParseExternalPage(template); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", template, err, want)
		}
	}
}

// TestPageIs: nobody is sent from the page to itself.
func TestPageIs(t *testing.T) {
	tests := []struct {
		template, host, path string
		want                 bool
	}{
		{"/login?rd={return_to}", "app.example.com", "/login", true},
		{"/login?rd={return_to}", "app.example.com", "/login/", false},
		{"https://App.example.com/login", "app.example.com", "/login", true},
		{"https://login.example.com/login", "app.example.com", "/login", false},
	}
	for _, test := range tests {
		page, err := ParseExternalPage(test.template)
		if err != nil {
			t.Fatal(err)
		}
		if got := page.Matches(test.host, test.path); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}

// TestHelps: a browser is not sent round in circles.
func TestHelps(t *testing.T) {
	for reason, want := range map[authenticator.Reason]bool{
		"": true, authenticator.ReasonTokenExpired: true, authenticator.ReasonSessionRevoked: true,
		authenticator.ReasonTokenAudience: false, authenticator.ReasonTokenSignature: false, authenticator.ReasonInsecureTransport: false,
	} {
		if SignInHelps(reason) != want {
			t.Errorf("%q: %v", reason, !want)
		}
	}
}

// FuzzPage: what a page is given comes out of its query as it went in.
func FuzzPage(f *testing.F) {
	f.Add("https://a.example/?x=1&y=#z")
	f.Add("\x00\r\n \\\"{return_to}")
	page, err := ParseExternalPage("https://login.example.com/in?rd={return_to}&x=1")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, back string) {
		u, err := url.Parse(page.URL(back))
		if err != nil || u.Host != "login.example.com" || u.Path != "/in" || u.Fragment != "" {
			t.Fatalf("%q: %v %v", back, u, err)
		}
		if q := u.Query(); q.Get("rd") != back || q.Get("x") != "1" || len(q) != 2 {
			t.Errorf("%q became %q", back, q)
		}
	})
}
