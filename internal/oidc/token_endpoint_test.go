package oidc

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// respond makes the bench's token endpoint answer with a status, a Content-Type and a
// body; BODY in it stands for the fake's own answer.
func (b *bench) respond(status int, contentType, body string) {
	b.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/token"
		inner := httptest.NewRecorder()
		b.fake.ServeHTTP(inner, r)
		w.Header().Set("Location", b.fake.URL+"/token")
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.Replace(body, "BODY", strings.TrimSpace(inner.Body.String()), 1))
	}))
	b.t.Cleanup(server.Close)
	b.fake.Metadata = func(m map[string]any) { m["token_endpoint"] = server.URL }
}

// A token endpoint's answer counts if it is a JSON object, whatever it says that it is.
func TestN30TokenEndpointForms(t *testing.T) {
	for name, test := range map[string]struct {
		status            int
		contentType, body string
		want              int // the failure's status, or 0
		says              string
	}{
		"N-30 JSON as text/plain":    {200, "text/plain; charset=utf-8", "BODY", 0, ""},
		"N-30 JSON as HTML":          {200, "text/html", " BODY\n", 0, ""},
		"N-30 an error as plain":     {400, "text/plain", `{"error": "invalid_client", "error_description": "the secret has expired"}`, 502, "answered 400 invalid_client: the secret has expired"},
		"N-30 an error with 200":     {200, "application/json", `{"error": "invalid_grant"}`, 400, "answered 200 invalid_grant"},
		"an error that is no text":   {200, "application/json", `{"error": {"code": 1}, "access_token": "x"}`, 502, "answered 200"},
		"a page":                     {200, "text/html", "<h1>Sign in</h1>", 502, "something else than a JSON object (text/html)"},
		"a form":                     {200, "application/x-www-form-urlencoded", "access_token=a&id_token=b", 502, "something else than a JSON object"},
		"two objects":                {200, "application/json", "BODY{}", 502, "something else than a JSON object"},
		"an array":                   {200, "application/json", "[BODY]", 502, "something else than a JSON object"},
		"nothing":                    {204, "application/json", "", 502, "something else than a JSON object"},
		"a page of a proxy":          {502, "text/html", "<h1>Bad gateway</h1>", 503, "answered 502"},
		"too many":                   {429, "application/json", "{}", 503, "answered 429"},
		"a redirect with the secret": {307, "application/json", "{}", 502, "answered 307"},
		"too long":                   {200, "application/json", `{"x": "` + strings.Repeat("x", maxResponse) + `"}`, 502, "longer than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			b.respond(test.status, test.contentType, test.body)
			_, err := b.signIn(NoStepUp)
			if test.want == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if f := failure(t, err, test.want); !strings.Contains(f.Error(), test.says) || b.fake.Seen("/token") != 1 {
				t.Errorf("got %q after %d requests, want %q", f, b.fake.Seen("/token"), test.says)
			}
		})
	}
}

// ID tokens have up to 64 KiB, as with many groups. One that is too long for a URL does
// not sign its user out.
func TestN30LongIDToken(t *testing.T) {
	for _, test := range []struct {
		groups, size int
		sent, good   bool
	}{{1, 1, true, true}, {50, 100, false, true}, {400, 100, false, true}, {600, 100, false, false}} {
		b := newBench(t, nil)
		groups := make([]string, test.groups)
		for i := range groups {
			groups[i] = strings.Repeat("g", test.size)
		}
		b.fake.IDToken = func(_ string, _, claims map[string]any) { claims["groups"] = groups }
		g, err := b.signIn(NoStepUp)
		if (err == nil) != test.good {
			t.Fatalf("%d groups: %v", test.groups, err)
		}
		if err != nil {
			continue
		}
		to := b.client.EndSessionURL(g, "https://app.example.com/", "s")
		if len(g.Identity.Groups) == 0 || g.IDToken == "" || strings.Contains(to, "id_token_hint") != test.sent {
			t.Errorf("%d groups: an ID token of %d bytes, %s", test.groups, len(g.IDToken), to)
		}
	}
}
