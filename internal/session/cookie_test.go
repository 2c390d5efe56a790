package session

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestCookieCheck: R-CK-1, R-CK-2, R-CK-4, R-CK-8, T-63.
func TestCookieCheck(t *testing.T) {
	tests := map[string]struct {
		cookie Cookie
		want   string
	}{
		"nothing said":            {Cookie{}, ""},
		"a name":                  {Cookie{Name: "__Host-app"}, ""},
		"a domain":                {Cookie{Domain: "example.com"}, ""},
		"a domain and a name":     {Cookie{Domain: "example.com", Name: "__Secure-app"}, ""},
		"no prefix":               {Cookie{Name: "app"}, "begin with __Host-"},
		"another case":            {Cookie{Name: "__host-app"}, "begin with __Host-"},
		"the other prefix":        {Cookie{Name: "__Secure-app"}, "begin with __Host-"},
		"a host and a domain":     {Cookie{Name: "__Host-app", Domain: "example.com"}, "begin with __Secure-"},
		"nothing but a prefix":    {Cookie{Name: "__Host-"}, "not a cookie's name"},
		"no name of a cookie":     {Cookie{Name: "__Host-a b"}, "not a cookie's name"},
		"a long name":             {Cookie{Name: "__Host-" + strings.Repeat("a", maxCookieName-len(hostPrefix))}, ""},
		"too long a name":         {Cookie{Name: "__Host-" + strings.Repeat("a", maxCookieName)}, "at most 256"},
		"no domain":               {Cookie{Domain: "localhost"}, "not a domain"},
		"an address":              {Cookie{Domain: "192.0.2.1"}, "not a domain"},
		"a URL":                   {Cookie{Domain: "https://example.com"}, "not a domain"},
		"two dots":                {Cookie{Domain: "..example.com"}, "not a domain"},
		"longer than browsers do": {Cookie{MaxAge: 401 * 24 * time.Hour}, "400 days"},
	}
	for name, test := range tests {
		err := test.cookie.Check()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && test.cookie.WithDefaults().Check() != nil {
			t.Errorf("%s: bad with defaults", name)
		}
	}
}

// TestCookieLines: R-CK-1, R-CK-3, R-CK-8.
func TestCookieLines(t *testing.T) {
	tests := []struct {
		cookie Cookie
		https  bool
		want   string
	}{
		{Cookie{}, true, "__Host-policy_auth=v; Path=/; HttpOnly; Secure; SameSite=Lax"},
		{Cookie{}, false, "policy_auth=v; Path=/; HttpOnly; SameSite=Lax"},
		{Cookie{Domain: ".Example.com"}, true, "__Secure-policy_auth=v; Path=/; Domain=example.com; HttpOnly; Secure; SameSite=Lax"},
		{Cookie{SameSite: http.SameSiteStrictMode}, true, "__Host-policy_auth=v; Path=/; HttpOnly; Secure; SameSite=Strict"},
		{Cookie{SameSite: http.SameSiteNoneMode}, true, "__Host-policy_auth=v; Path=/; HttpOnly; Secure; SameSite=None"},
		{Cookie{SameSite: http.SameSiteNoneMode}, false, "policy_auth=v; Path=/; HttpOnly; SameSite=Lax"},
		{Cookie{MaxAge: time.Hour}, true, "__Host-policy_auth=v; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"},
	}
	for _, test := range tests {
		recorder := httptest.NewRecorder()
		test.cookie.WithDefaults().Set(recorder, "v", test.https)
		if got := recorder.Header().Get("Set-Cookie"); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

// TestCookieRead: R-CK-5. A doubled cookie does not count.
func TestCookieRead(t *testing.T) {
	for line, want := range map[string]string{
		"__Host-policy_auth=a":                       "a",
		"x=1; __Host-policy_auth=a; y=2":             "a",
		"__Host-policy_auth=a; __Host-policy_auth=b": "",
		"__Host-policy_auth=a; __Host-policy_auth=a": "",
		"__host-policy_auth=a":                       "",
		"policy_auth=a":                              "",
		"":                                           "",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", line)
		if got, _ := (Cookie{}).WithDefaults().Read(r, true); got != want {
			t.Errorf("%s: got %q", line, got)
		}
	}
}

// FuzzCookie: T-66. Whatever a stranger sends as a cookie, nobody is found and
// nothing breaks.
func FuzzCookie(f *testing.F) {
	s := newSite(f, Config{})
	s.start(f, visit(host), alice())
	f.Add("__Host-policy_auth=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", host)
	f.Add("__Host-policy_auth=\"a\"; __Host-policy_auth", "[::1]:80")
	f.Fuzz(func(t *testing.T, line, host string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		r.Header.Set("Cookie", line)
		if found, err := s.Current(t.Context(), r, true); err == nil {
			t.Errorf("%q found %v", line, found)
		}
	})
}

// TestDeleteCookie: a cookie is deleted with the attributes that it was set with.
func TestDeleteCookie(t *testing.T) {
	for _, test := range []struct {
		name, domain string
		https        bool
		want         string
	}{
		{"__Host-policy_auth", "", true, "__Host-policy_auth=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"},
		{"__Secure-policy_auth", "example.com", true, "__Secure-policy_auth=; Path=/; Domain=example.com; Max-Age=0; HttpOnly; Secure; SameSite=Lax"},
		{"policy_auth", "", false, "policy_auth=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"},
	} {
		w := httptest.NewRecorder()
		DeleteCookie(w, test.name, test.domain, test.https)
		if got := w.Header().Get("Set-Cookie"); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}
