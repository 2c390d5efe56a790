package login

import (
	"github.com/policyauth/caddy-policy-auth/test/vectors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

const origin = "https://app.example.com"

// returnTo returns where a request for a target leads back to.
func returnTo(method string, target *url.URL, referer string, navigation bool, without ...string) string {
	r := httptest.NewRequest(method, "/rewritten", nil)
	r.Host = "app.example.com"
	if referer != "" {
		r.Header.Set("Referer", referer)
	}
	to, _ := ReturnTo(r, target, "https", navigation, without)
	return to
}

// TestReturnTo: R-OID-11's guard, R-PAGE-6, T-40, T-56.
func TestReturnTo(t *testing.T) {
	tests := []struct {
		name, method, target, referer string
		navigation                    bool
		want                          string
	}{
		{"a page", "GET", "/a/b?x=1&y=%20", "", true, "/a/b?x=1&y=%20"},
		{"a page, escaped", "GET", "/a%20b/%C3%BC", "", true, "/a%20b/%C3%BC"},
		{"the root", "GET", "/", "", true, "/"},
		{"a form is not sent again", "POST", "/order", origin + "/cart?x=1", true, "/cart?x=1"},
		{"a form from nowhere", "POST", "/order", "", true, "/"},
		{"a script's page", "GET", "/api/me", origin + "/app", false, "/app"},
		{"a script of another site", "GET", "/api/me", "https://evil.example/app", false, "/"},
		{"a referrer that looks alike", "GET", "/api/me", origin + ".evil.example/app", false, "/"},
		{"a referrer with a user", "GET", "/api/me", "https://x@app.example.com/app", false, "/"},
		{"a referrer with another scheme", "GET", "/api/me", "http://app.example.com/app", false, "/"},
		{"a referrer that is none", "GET", "/api/me", "javascript:alert(1)", false, "/"},
		{"a credential in the query", "GET", "/a?token=s3cret&x=1&t%6Fken=again", "", true, "/a?x=1"},
		{"our own pages", "GET", "/.policy_auth/login", "", true, "/"},
		{"two slashes", "GET", "//evil.example", "", true, "/"},
		{"two slashes, encoded", "GET", "/%2fevil.example", "", true, "/"},
		{"two slashes, twice encoded", "GET", "/%252fevil.example", "", true, "/"},
		{"a backslash", "GET", "/%5Cevil.example", "", true, "/"},
		{"a tab", "GET", "/%09/evil.example", "", true, "/"},
		{"a line end", "GET", "/a%0d%0aSet-Cookie:x", "", true, "/"},
		{"a space between slashes", "GET", "/%20/evil.example", "", true, "/"},
		{"too long", "GET", "/" + strings.Repeat("a", maxReturnTo), "", true, "/"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			target, err := url.Parse(test.target)
			if err != nil || strings.HasPrefix(test.target, "//") {
				target = &url.URL{Path: test.target}
			}
			got := returnTo(test.method, target, test.referer, test.navigation, "token")
			if got != origin+test.want {
				t.Errorf("got %s, want %s", got, origin+test.want)
			}
		})
	}
	bare := httptest.NewRequest("GET", "/x", nil)
	bare.Host = ""
	if got, _ := ReturnTo(bare, bare.URL, "https", true, nil); got != "/" {
		t.Errorf("without a host: %s", got)
	}
}

// TestReturnToPayloads: R-OID-11, T-40. No line of the lists leads to another
// site, asked for as a path or as a referrer, escaped or not.
func TestReturnToPayloads(t *testing.T) {
	for _, line := range vectors.Lines(t, "payloadsallthethings", "open-redirect") {
		targets := []*url.URL{{Path: line}, {Path: "/" + line}, {Path: "/", RawQuery: line}}
		for _, text := range []string{line, "/" + line, url.PathEscape(line), "/" + url.PathEscape(line)} {
			if u, err := url.ParseRequestURI(text); err == nil {
				targets = append(targets, u)
			}
		}
		for _, target := range targets {
			staysHere(t, line, returnTo("GET", target, "", true))
		}
		staysHere(t, line, returnTo("GET", &url.URL{Path: "/"}, line, false))
		staysHere(t, line, returnTo("GET", &url.URL{Path: "/"}, origin+line, false))
	}
}

// staysHere checks a URL as a browser and as a lenient program would read it.
func staysHere(t *testing.T, line, got string) {
	t.Helper()
	rest, ok := strings.CutPrefix(got, origin+"/")
	if !ok {
		t.Errorf("%q leads to %q", line, got)
		return
	}
	path, _, _ := strings.Cut("/"+rest, "?")
	for range 3 {
		if strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\t\r\n\x00") {
			t.Errorf("%q leads to %q, which may be read as %q", line, got, path)
			return
		}
		decoded, err := url.PathUnescape(path)
		if err != nil {
			return
		}
		path = decoded
	}
}

// FuzzReturnTo: T-66, T-40.
func FuzzReturnTo(f *testing.F) {
	f.Add("/a", "x=1", origin+"/b", true)
	f.Add("//evil", "\\", "https://app.example.com@evil/", false)
	f.Fuzz(func(t *testing.T, path, query, referer string, navigation bool) {
		staysHere(t, path, returnTo("GET", &url.URL{Path: path, RawQuery: query}, referer, navigation, "q"))
	})
}

// TestLocal: R-OID-11, T-40. What a stranger may have written ends on this site.
func TestLocal(t *testing.T) {
	for target, want := range map[string]string{
		"/": "/", "/a": "/a", "/a/b?x=1&y=%20#z": "/a/b?x=1&y=%20", "/a%20b/%C3%BC": "/a%20b/%C3%BC", "/?x=//evil.example": "/?x=//evil.example",
		"/x/..//evil.example": "/", "/x/%2e%2e//evil.example": "/", "/x/..%2f%2fevil.example?y": "/", "/100%25": "/100%25", // N-08
		"": "/", "a": "/", "?x": "/", "#x": "/", "https://app.example.com/a": "/", "https:a": "/", "//evil": "/", "///evil": "/", "/\\evil": "/",
		"/%2fevil": "/", "/%5cevil": "/", "/\tevil": "/", "/a b": "/", "/ü": "/", "/a?x=\r\nSet-Cookie:y": "/", "/a?\"": "/", "/%zz": "/", "/%": "/",
		"/.policy_auth/login": "/", "/x/../.policy_auth/login": "/", "/%2e/.policy_auth/logout": "/", "/.policy_auth": "/", "/.policy_authority": "/.policy_authority",
		"/" + strings.Repeat("a", maxReturnTo): "/",
	} {
		if got := SanitizeReturnTo(target); got != want {
			t.Errorf("%q: got %q, want %q", target, got, want)
		}
	}
}

// TestLocalPayloads: R-OID-11. No line of the lists leads to another site.
func TestLocalPayloads(t *testing.T) {
	for _, line := range vectors.Lines(t, "payloadsallthethings", "open-redirect") {
		for _, text := range []string{line, "/" + line, url.PathEscape(line), "/" + url.PathEscape(line), url.QueryEscape(line)} {
			staysHere(t, line, origin+SanitizeReturnTo(text))
		}
	}
}

// FuzzLocal: T-66, T-40.
func FuzzLocal(f *testing.F) {
	f.Add("/a?x=1#y")
	f.Add("/\\evil")
	base, err := url.Parse(origin + LoginPath)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, target string) {
		got := SanitizeReturnTo(target)
		staysHere(t, target, origin+got)
		if u, err := base.Parse(got); err != nil || u.Scheme != "https" || u.Host != "app.example.com" || u.User != nil {
			t.Errorf("%q becomes %q: %v %v", target, got, u, err)
		}
		if SanitizeReturnTo(got) != got {
			t.Errorf("%q becomes %q and then something else", target, got)
		}
	})
}

// TestN32ReturnToRoundTrip: each character that browsers send in a query as it is
// (URL Standard) comes back as it was, at any length up to 4 KiB; what they encode
// comes back encoded. What writes return_to and what reads it agree.
func TestN32ReturnToRoundTrip(t *testing.T) {
	roundTrip := func(path, query string) string {
		written := returnTo("GET", &url.URL{Path: path, RawQuery: query}, "", true)
		address, err := url.Parse((&Site{}).URL(strings.TrimPrefix(written, origin), "", nil))
		if err != nil {
			t.Fatal(err)
		}
		return SanitizeReturnTo(address.Query().Get("return_to"))
	}
	all := ""
	for c := range 256 {
		query := string([]byte{'x', '=', byte(c), 'y'})
		var want string
		if mustEncode(rune(c)) {
			want = "/a?x=" + url.PathEscape(string([]byte{byte(c)})) + "y"
		} else {
			want, all = "/a?"+query, all+string(rune(c))
		}
		if got := roundTrip("/a", query); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
	for _, c := range "{|}^`'\\[]$%" {
		if !strings.ContainsRune(all, c) {
			t.Errorf("%q is not kept", c)
		}
	}
	long := "/a?" + strings.Repeat("{|}^`&x=1", maxReturnTo)[:maxReturnTo-3]
	if got := roundTrip("/a", long[3:]); got != long {
		t.Errorf("%d bytes come back as %d", len(long), len(got))
	}
	if to, tooLong := ReturnTo(httptest.NewRequest("GET", "/", nil), &url.URL{Path: "/a", RawQuery: long}, "https", true, nil); !tooLong || !strings.HasSuffix(to, ".com/") {
		t.Errorf("%.40s, %v", to, tooLong)
	}
}

// TestN32SignIn: such a page is where a sign-in ends.
func TestN32SignIn(t *testing.T) {
	for _, page := range []string{"/d/abc?var-x={a|b}&y=^`'", "/?" + strings.Repeat("{&}", maxReturnTo/3-1)} {
		p := newProvided(t, nil)
		if answer := p.signIn(page); answer.Header().Get("Location") != page {
			t.Errorf("%d %.60s", answer.Code, answer.Header().Get("Location"))
		}
	}
}
