package policyauth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/denial/challengetest"
)

// inspect returns how an answer of ours, which is not the next handler's, breaks
// the rules that all of them keep: those of challenges (R-401-1, R-401-5, R-CH-1,
// R-CH-2, R-CH-12, W4) and of caches (R-CACHE-1).
func inspect(status int, h http.Header) error {
	challenges, err := challengetest.Read(h)
	lines := h["Www-Authenticate"]
	isBasic := func(c challengetest.Challenge) bool { return c.Scheme == "Basic" }
	switch {
	case err != nil:
		return err
	case status == http.StatusUnauthorized && len(challenges) == 0:
		return errors.New("a 401 without a challenge")
	case status == http.StatusUnauthorized && h["Location"] != nil:
		return errors.New("a 401 with a Location")
	case status == http.StatusProxyAuthRequired, h["Proxy-Authenticate"] != nil:
		return errors.New("a proxy's answer")
	case len(challenges) != len(lines):
		return fmt.Errorf("several challenges on a line: %q", lines)
	case slices.IndexFunc(challenges, isBasic) > 0:
		return fmt.Errorf("Basic is not the first: %q", lines)
	case len(strings.Join(lines, "")) > 4<<10:
		return fmt.Errorf("%d bytes of challenges", len(strings.Join(lines, "")))
	}
	return inspectRefusal(status, h)
}

// inspectRefusal holds what is true of refusals alone.
func inspectRefusal(status int, h http.Header) error {
	if status < http.StatusMultipleChoices {
		return nil
	}
	if got := h["Cache-Control"]; len(got) != 1 || got[0] != "no-store" {
		return fmt.Errorf("a %d with Cache-Control %q", status, got)
	}
	if len(h["X-Request-Id"]) != 1 {
		return fmt.Errorf("a %d with the request's id %q", status, h["X-Request-Id"])
	}
	for _, name := range []string{"Etag", "Expires", "Last-Modified", "Age"} {
		if h[name] != nil {
			return fmt.Errorf("a %d with %s %q", status, name, h[name])
		}
	}
	return nil
}

// TestInspect: what all other tests rely on sees what it is for.
func TestInspect(t *testing.T) {
	refusal := func(header ...string) http.Header {
		h := http.Header{"Cache-Control": {"no-store"}, "X-Request-Id": {"1"}}
		for i := 0; i+1 < len(header); i += 2 {
			h.Add(header[i], header[i+1])
		}
		return h
	}
	const basic, bearer = `Basic realm="a"`, `Bearer realm="a"`
	tests := []struct {
		name   string
		status int
		header http.Header
		want   string // "" if there is nothing wrong
	}{
		{"a 401", 401, refusal("WWW-Authenticate", basic, "WWW-Authenticate", bearer), ""},
		{"a 403", 403, refusal(), ""},
		{"a redirect", 303, refusal("Location", "/"), ""},
		{"a preflight's answer", 204, http.Header{}, ""},
		{"no challenge", 401, refusal(), "without a challenge"},
		{"no grammar", 401, refusal("WWW-Authenticate", "Basic realm=a"), "not quoted"},
		{"no grammar on a 403", 403, refusal("WWW-Authenticate", `Bearer error="\""`), "error"},
		{"a list", 401, refusal("WWW-Authenticate", basic+", "+bearer), "on a line"},
		{"another order", 401, refusal("WWW-Authenticate", bearer, "WWW-Authenticate", basic), "not the first"},
		{"too long", 401, refusal("WWW-Authenticate", `Basic realm="`+strings.Repeat("a", 4<<10)+`"`), "bytes"},
		{"a place to go", 401, refusal("WWW-Authenticate", basic, "Location", "/"), "Location"},
		{"a proxy's status", 407, refusal(), "proxy"},
		{"a proxy's challenge", 401, refusal("WWW-Authenticate", basic, "Proxy-Authenticate", basic), "proxy"},
		{"may be stored", 403, http.Header{"X-Request-Id": {"1"}}, "Cache-Control"},
		{"may be stored after all", 403, refusal("Cache-Control", "public"), "Cache-Control"},
		{"a redirect that may be stored", 303, http.Header{"X-Request-Id": {"1"}}, "Cache-Control"},
		{"no id", 404, http.Header{"Cache-Control": {"no-store"}}, "id"},
		{"a validator", 403, refusal("ETag", `"a"`), "Etag"},
		{"a date", 403, refusal("Last-Modified", "x"), "Last-Modified"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := inspect(test.status, test.header)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}
