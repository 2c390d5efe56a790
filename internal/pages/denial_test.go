package pages

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/pages/challengetest"
)

// TestWrite: each kind of answer has one status, one body and the headers of
// R-PAGE-11, R-PAGE-14, R-CACHE-1, R-CACHE-2, T-39, T-42, T-59.
func TestWrite(t *testing.T) {
	p := open(t, Config{})
	const closed = "default-src 'none'; frame-ancestors 'none'"
	for accept, want := range map[string]struct{ kind, policy, begins string }{
		asHTML: {"text/html; charset=utf-8", "default-src 'none'; style-src 'sha256-", "<!doctype html>"},
		asJSON: {"application/problem+json", closed, `{"type":"about:blank"`},
		asText: {"text/plain; charset=utf-8", closed, "403 Forbidden: You may not open this page. (" + requestID + ")\n"},
	} {
		t.Run(accept, func(t *testing.T) {
			got := ask(t, p, refuse(403, "policy_denied"), "Accept", accept)
			h := got.Header
			body := bodyOf(t, p, refuse(403, "policy_denied"), "Accept", accept)
			if got.StatusCode != 403 || !strings.HasPrefix(body, want.begins) || h.Get("Content-Length") != fmt.Sprint(len(body)) {
				t.Errorf("%d %v %s", got.StatusCode, h, body)
			}
			for name, value := range map[string]string{
				"Content-Type": want.kind, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
				"Referrer-Policy": "no-referrer", "X-Request-Id": requestID, "Content-Language": "en",
			} {
				if h.Get(name) != value {
					t.Errorf("%s: %q", name, h[name])
				}
			}
			if policy := h.Get("Content-Security-Policy"); !strings.HasPrefix(policy, want.policy) || strings.Contains(policy, "unsafe") {
				t.Errorf("Content-Security-Policy: %s", policy)
			}
			if accept == asHTML {
				for _, part := range []string{"img-src 'self' data:", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
					if !strings.Contains(h.Get("Content-Security-Policy"), part) {
						t.Errorf("Content-Security-Policy lacks %s", part)
					}
				}
				if h.Get("Cross-Origin-Opener-Policy") != "same-origin" {
					t.Error("no Cross-Origin-Opener-Policy")
				}
			}
		})
	}
}

// TestHead: R-401-12, R-PAGE-14: the fields of GET, its Content-Length too, and
// no body.
func TestHead(t *testing.T) {
	p, body := open(t, Config{}), "gone"
	refusals := map[string]Denial{"page": refuse(401, "credentials_missing"), "own body": {Status: 451, Body: &body, MaxAge: -1}}
	for name, d := range refusals {
		for _, kind := range kinds {
			t.Run(name+" "+kind, func(t *testing.T) {
				get, head := httptest.NewRecorder(), httptest.NewRecorder()
				for method, recorder := range map[string]*httptest.ResponseRecorder{"GET": get, "HEAD": head} {
					r := httptest.NewRequest(method, "/", nil)
					r.Header.Set("Accept", kind)
					if err := p.Write(recorder, r, d); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(get.Header(), head.Header()); diff != "" || get.Code != head.Code {
					t.Errorf("(-GET +HEAD)\n%s", diff)
				}
				if head.Body.Len() > 0 || get.Body.Len() == 0 {
					t.Errorf("%d bytes, GET %d", head.Body.Len(), get.Body.Len())
				}
			})
		}
	}
}

// TestNo401WithoutChallenge: R-401-1: whatever else a refusal holds;
// and never a status that is none of a refusal (T-59).
func TestNo401WithoutChallenge(t *testing.T) {
	p := open(t, Config{})
	bad := [][]authenticator.Challenge{nil, {}, {{}}, {challenge("no token", "realm", "a")}, {challenge("Basic", "realm", "a")}, {challenge("Bearer")}}
	for _, reason := range append(reasons(t), "") {
		for _, challenges := range bad {
			for _, status := range []int{-1, 0, 99, 101, 200, 204, 304, 399, 400, 401, 403, 404, 429, 500, 503, 599, 600, 999} {
				d := refuse(status, reason)
				d.Challenges = challenges
				for _, accept := range kinds {
					got := ask(t, p, d, "Accept", accept)
					if got.StatusCode < 400 || got.StatusCode > 599 || status >= 400 && status < 600 && got.StatusCode != status {
						t.Fatalf("%d became %d", status, got.StatusCode)
					}
					read, err := challengetest.Read(got.Header)
					if err != nil || got.StatusCode == 401 && len(read) == 0 {
						t.Fatalf("%s %d %v: %v, %v", reason, status, challenges, got.Header, err)
					}
				}
			}
		}
	}
}

// TestSameRefusal: R-401-7, W13: an unknown user, a wrong password and a
// disabled account are one answer, byte for byte but for the request's id.
func TestSameRefusal(t *testing.T) {
	p := open(t, Config{})
	for _, accept := range kinds {
		for _, lang := range []string{"en", "fr"} {
			var bodies []string
			var headers []http.Header
			for i, reason := range []authenticator.Reason{"credentials_invalid", "account_disabled", "account_locked", "token_revoked"} {
				d := refuse(401, reason)
				d.RequestID = fmt.Sprintf("%08d-9a57-4c52-8b7c-2f0c1d9f1a11", i)
				d.Challenges = []authenticator.Challenge{challenge("Basic", "realm", "a")}
				d.Identity = &authenticator.Identity{Authenticated: true, ID: "alice", Username: "alice"} // of a disabled account
				got := ask(t, p, d, "Accept", accept, "Accept-Language", lang)
				got.Header.Del("X-Request-Id")
				headers = append(headers, got.Header)
				bodies = append(bodies, strings.ReplaceAll(bodyOf(t, p, d, "Accept", accept, "Accept-Language", lang), d.RequestID, "ID"))
			}
			for i := range bodies {
				if bodies[i] != bodies[0] || !cmp.Equal(headers[i], headers[0]) {
					t.Errorf("%s %s: told apart:\n%s\n%s", accept, lang, bodies[0], bodies[i])
				}
			}
		}
	}
}

// TestPrepare: what others set before does not make a refusal storable, and what
// they set for good reason stays (R-CACHE-1, R-CACHE-2, R-CORS-9, R-PAGE-13, T-42).
func TestPrepare(t *testing.T) {
	p := open(t, Config{})
	h := http.Header{}
	for name, value := range map[string]string{
		"Expires": "Thu, 01 Jan 2099 00:00:00 GMT", "ETag": `"x"`, "Last-Modified": "Thu, 01 Jan 1970 00:00:00 GMT", "Age": "1",
		"Cache-Control": "public, max-age=600", "CDN-Cache-Control": "max-age=600", "Surrogate-Control": "max-age=600",
		"Content-Length": "7", "Content-Encoding": "gzip", "Content-Range": "bytes 0-1/2", "Proxy-Authenticate": "Basic", "Location": "/elsewhere",
		"WWW-Authenticate": "Stale", "Vary": "Origin", "Access-Control-Allow-Origin": "https://app.example.com", "Set-Cookie": "a=b",
	} {
		h.Set(name, value)
	}
	before := h["Vary"]
	d := refuse(401, "credentials_missing")
	d.Challenges = []authenticator.Challenge{challenge("Basic", "realm", "a")}
	p.Prepare(h, d)
	want := http.Header{
		"Cache-Control": {"no-store"}, "Www-Authenticate": {`Basic realm="a"`}, "Vary": {"Origin", "Accept", "Accept-Language"},
		"Access-Control-Allow-Origin": {"https://app.example.com"}, "Set-Cookie": {"a=b"}, "X-Request-Id": {requestID},
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if before[:1][0] != "Origin" {
		t.Error("it wrote into somebody else's slice")
	}
	p.Prepare(h, d)
	if diff := cmp.Diff(want, h); diff != "" {
		t.Errorf("a second time (-want +got)\n%s", diff)
	}
}

// TestRetryAfter: R-401-6, R-BA-9: whole seconds, rounded up.
func TestRetryAfter(t *testing.T) {
	tests := []struct {
		name   string
		status int
		after  time.Duration
		own    string
		want   string
	}{
		{"throttled", 429, 90 * time.Second, "", "90"},
		{"half a second", 429, 500 * time.Millisecond, "", "1"},
		{"unknown", 429, 0, "", ""},
		{"503", 503, 0, "", "5"},
		{"503 that knows", 503, time.Minute, "", "60"},
		{"503 of a policy that knows", 503, 0, "120", "120"},
		{"401", 401, 0, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := refuse(test.status, "throttled")
			d.RetryAfter = test.after
			if test.own != "" {
				d.Headers = http.Header{"Retry-After": {test.own}}
			}
			h := http.Header{}
			open(t, Config{}).Prepare(h, d)
			if got := h.Get("Retry-After"); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestPolicyHeaders: a policy's headers are set, but what caches, clients and
// the site's cors block rely on stays (R-CACHE-1, R-CACHE-2, R-CORS-6, R-401-5, T-67).
func TestPolicyHeaders(t *testing.T) {
	own := http.Header{
		"X-Reason": {"a", "b"}, "Cache-Control": {"public"}, "Vary": {"Cookie"}, "Set-Cookie": {"c=d"}, "Expires": {"0"},
		"Access-Control-Allow-Origin": {"*"}, "Access-Control-Max-Age": {"1"}, "Proxy-Authenticate": {"Basic"},
		"Www-Authenticate": {`Custom realm="b"`}, "X-Request-Id": {"forged"}, "Content-Type": {"text/html"},
	}
	kept := own.Clone()
	d := refuse(401, "policy_denied")
	d.Headers, d.Challenges = own, []authenticator.Challenge{challenge("Basic", "realm", "a")}
	h := http.Header{"Vary": {"Origin"}, "Set-Cookie": {"a=b"}, "Access-Control-Allow-Origin": {"https://app.example.com"}}
	p := open(t, Config{})
	p.Prepare(h, d)
	want := http.Header{
		"X-Reason": {"a", "b"}, "Cache-Control": {"no-store"}, "Vary": {"Origin", "Cookie", "Accept", "Accept-Language"},
		"Set-Cookie": {"a=b", "c=d"}, "Access-Control-Allow-Origin": {"https://app.example.com"}, "Access-Control-Max-Age": {"1"},
		"Www-Authenticate": {`Basic realm="a"`, `Custom realm="b"`}, "X-Request-Id": {requestID}, "Content-Type": {"text/html"},
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, lines := range h {
		lines[0] = "edited"
	}
	if diff := cmp.Diff(kept, own); diff != "" {
		t.Errorf("an edit of the answer shows in the policy's headers\n%s", diff)
	}
	if got := ask(t, p, d, "Accept", asJSON); got.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("our body as %s", got.Header.Get("Content-Type"))
	}
}

// TestOwnBody: a policy's body is plain text unless the policy says otherwise,
// whatever stood in the response before (T-39).
func TestOwnBody(t *testing.T) {
	p, body := open(t, Config{}), "<b>no</b>"
	for name, test := range map[string]struct {
		headers http.Header
		want    string
	}{
		"text": {nil, "text/plain; charset=utf-8"},
		"html": {http.Header{"Content-Type": {"text/html"}}, "text/html"},
	} {
		t.Run(name, func(t *testing.T) {
			d := refuse(451, "policy_denied")
			d.Body, d.Headers = &body, test.headers
			recorder := httptest.NewRecorder()
			recorder.Header().Set("Content-Type", "text/html; charset=utf-8")
			if err := p.Write(recorder, httptest.NewRequest("GET", "/", nil), d); err != nil {
				t.Fatal(err)
			}
			h := recorder.Header()
			if h.Get("Content-Type") != test.want || h.Get("X-Content-Type-Options") != "nosniff" || recorder.Body.String() != body || recorder.Code != 451 {
				t.Errorf("%d %v %s", recorder.Code, h, recorder.Body)
			}
		})
	}
}

// TestBare: status and headers, no body; a policy's own body is sent all the same.
func TestBare(t *testing.T) {
	p := open(t, Config{Bare: true})
	d := refuse(401, "credentials_missing")
	got := ask(t, p, d, "Accept", asHTML)
	if got.StatusCode != 401 || got.Header.Get("Content-Length") != "0" || got.Header.Get("Content-Type") != "" || got.Header.Get("Www-Authenticate") == "" || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", got.StatusCode, got.Header)
	}
	body := "own"
	d.Body = &body
	if got := bodyOf(t, p, d); got != body {
		t.Errorf("got %q", got)
	}
}

// TestWriteError: a broken connection is told, and nothing is written twice.
func TestWriteError(t *testing.T) {
	w := &broken{ResponseRecorder: httptest.NewRecorder()}
	if err := open(t, Config{}).Write(w, httptest.NewRequest("GET", "/", nil), refuse(403, "policy_denied")); err == nil || w.writes != 1 || w.Code != 403 {
		t.Errorf("%v, %d writes, %d", err, w.writes, w.Code)
	}
}

type broken struct {
	*httptest.ResponseRecorder
	writes int
}

func (b *broken) Write([]byte) (int, error) {
	b.writes++
	return 0, http.ErrHandlerTimeout
}

// TestRedirect: R-CACHE-1, T-42: nobody stores where the refused were sent.
func TestRedirect(t *testing.T) {
	recorder := httptest.NewRecorder()
	recorder.Header().Set("Cache-Control", "public")
	recorder.Header().Set("ETag", `"x"`)
	Redirect(recorder, "/welcome", http.StatusSeeOther)
	want := http.Header{"Location": {"/welcome"}, "Cache-Control": {"no-store"}}
	if diff := cmp.Diff(want, recorder.Header()); diff != "" || recorder.Code != 303 {
		t.Errorf("%d (-want +got)\n%s", recorder.Code, diff)
	}
}

// TestExactReasonStaysInside: R-PAGE-8, T-45: the exact reason is for the log.
func TestExactReasonStaysInside(t *testing.T) {
	p := open(t, Config{})
	for _, reason := range reasons(t) {
		if slices.Contains([]Class{ClassThrottled}, Class(reason)) {
			continue
		}
		for _, status := range []int{400, 401, 403, 404, 429, 500, 503} {
			for _, accept := range kinds {
				d := refuse(status, reason)
				body := bodyOf(t, p, d, "Accept", accept)
				if strings.Contains(body, string(reason)) && classOf(reason, status) != Class(reason) {
					t.Errorf("%d %s: shown in %s", status, reason, body)
				}
			}
		}
	}
}

// BenchmarkWrite measures a refusal of each kind.
func BenchmarkWrite(b *testing.B) {
	p := open(b, Config{})
	d := refuse(401, "credentials_missing")
	d.Challenges = []authenticator.Challenge{challenge("Basic", "realm", "restricted", "charset", "UTF-8")}
	for _, accept := range kinds {
		b.Run(accept, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Accept", accept)
			b.ReportAllocs()
			for b.Loop() {
				_ = p.Write(httptest.NewRecorder(), r, d)
			}
		})
	}
}
