package dpop

import (
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestRDP4SameURI: which URIs are the same, and which are not.
func TestRDP4SameURI(t *testing.T) {
	const uri = "https://h.example/a/b"
	for htu, want := range map[string]bool{
		uri: true, "HTTPS://H.example:443/a/./b?x#y": true, "https://h.example:443/a/b": true, "https://h.example:/a/b": true,
		"https://h.example/a/c/../b": true, "https://h.example/a/%62": true, "https://h.example/%2e/a/b": true, "https://h.example/../a/b": true,
		"https://h.example/a/b?": true, "https://h.example/a/b#": true,
		"https://h.example/a/b/": false, "https://h.example/A/b": false, "https://h.example//a/b": false, "http://h.example/a/b": false,
		"https://h.example:80/a/b": false, "https://h.example:4430/a/b": false, "https://h.example./a/b": false, "https://x@h.example/a/b": false,
		"https://h.example/a%2Fb": false, "https://h.example/a/b%": false, "https://h.example/a/b%0": false, "https://h.example/a/b%zz": false,
		"https:/h.example/a/b": false, "//h.example/a/b": false, "/a/b": false, "": false, "ftp://h.example/a/b": false, "https://": false, "https:///a/b": false,
		"https://h.example/a/b ": false, " https://h.example/a/b": false, "https://h.example\\/a/b": false, "https://h.example/a/b\x00": false, "https://h.example/a/ü": false,
	} {
		if got := SameURI(htu, uri); got != want {
			t.Errorf("%q: %v", htu, got)
		}
	}
	for _, pair := range [][2]string{
		{"https://h", "https://h/"}, {"https://h?x", "https://h/"}, {"http://h:80", "http://h/"}, {"https://[2001:DB8::1]/", "https://[2001:db8::1]:443"},
		{"https://h/%e2%82%ac", "https://h/%E2%82%AC"}, {"https://h/a/..", "https://h/"}, {"https://h/a/b/..", "https://h/a/"}, {"https://h/a/.", "https://h/a/"},
		{"https://h/%7Ea%2d", "https://h/~a-"}, {"https://h/%41%30", "https://h/A0"},
	} {
		if !SameURI(pair[0], pair[1]) {
			t.Errorf("%q differ", pair)
		}
	}
	// S-24: only unreserved characters are decoded.
	for _, pair := range [][2]string{
		{"https://h/a%2Fb", "https://h/a/b"}, {"https://h/a%3Bb", "https://h/a;b"}, {"https://h/%252e", "https://h/%2e"}, {"https://h/a%3fb", "https://h/a"},
		{"https://h/a%2f..%2fb", "https://h/b"}, {"https://h/" + strings.Repeat("a", maxURI), "https://h/" + strings.Repeat("a", maxURI)},
	} {
		if SameURI(pair[0], pair[1]) {
			t.Errorf("%q are the same", pair)
		}
	}
}

// TestRDP4NoURI: what is no http or https URI equals nothing, also not itself or what is
// left of it.
func TestRDP4NoURI(t *testing.T) {
	for _, text := range []string{"ftp://h/", "https", "https://", "https://:1/", "https://x@h/", "https://h h/", "https://h/a b", "https://h/\x7f", "https://h/%"} {
		for _, other := range []string{text, "https://h/"} {
			if SameURI(text, other) || SameURI(other, text) {
				t.Errorf("%q and %q are the same", text, other)
			}
		}
	}
}

// FuzzNormalize: normalizing twice changes nothing more, and what a normalized URI
// has is what URIs may have.
func FuzzNormalize(f *testing.F) {
	for _, seed := range []string{"https://h/a/../b%2f%61?x", "HTTP://[::1]:80", "https://h/%2e%2E/%", "a://b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		once, valid := normalize(uri)
		if !valid {
			return
		}
		if twice, again := normalize(once); !again || twice != once {
			t.Errorf("%q, then %q", once, twice)
		}
		if strings.ContainsAny(once, "?# \\") || strings.Contains(once, "/../") || !SameURI(uri, uri) {
			t.Errorf("%q", once)
		}
	})
}

// TestOtherURIWithoutQuery: the error for another URI, which is logged, has no query: it
// may hold a credential.
func TestOtherURIWithoutQuery(t *testing.T) {
	e, _ := newMemory(t)
	const other = "https://h.example/other"
	for _, htu := range []string{other, other + "?api_key=secret", other + "#secret"} {
		refusal := e.want(proof(made{claims: map[string]any{"htu": htu}}.sign(e.now)), authenticator.ReasonProofInvalid)
		if refusal.Expected != testURI || refusal.Received != other {
			t.Errorf("%s: expected %s, received %s", htu, refusal.Expected, refusal.Received)
		}
	}
}
