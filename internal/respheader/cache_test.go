package respheader

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPrivate: R-CACHE-3, R-CACHE-5, R-CACHE-2 (Vary is added to).
func TestPrivate(t *testing.T) {
	tests := []struct {
		name         string
		vary         string
		shared       bool
		upstream     http.Header
		want, varies string
	}{
		{"nothing said", "Cookie", false, http.Header{}, "private", "Cookie"},
		{"nothing said, shared", "Cookie", true, http.Header{}, "private", "Cookie"},
		{"public", "Cookie", false, http.Header{"Cache-Control": {"public, max-age=60"}}, "private, max-age=60", "Cookie"},
		{"public, shared", "X-Api-Key", true, http.Header{"Cache-Control": {"public, max-age=60"}}, "public, max-age=60", "X-Api-Key"},
		{"in other letters", "", false, http.Header{"Cache-Control": {"max-age=60,PUBLIC ,S-MaxAge=9"}}, "private, max-age=60", ""},
		{"on two lines", "", false, http.Header{"Cache-Control": {"max-age=60", "public"}}, "private, max-age=60", ""},
		{"an age alone lets shared caches store it", "", false, http.Header{"Cache-Control": {"max-age=60"}}, "private, max-age=60", ""},
		{"private already", "", false, http.Header{"Cache-Control": {"private, max-age=60"}}, "private, max-age=60", ""},
		{"both", "", false, http.Header{"Cache-Control": {"public, private"}}, "private", ""},
		{"private for a header alone", "", false, http.Header{"Cache-Control": {`private="set-cookie, x", public`}}, `private, private="set-cookie, x"`, ""},
		{"not stored at all", "", false, http.Header{"Cache-Control": {"no-store"}}, "no-store", ""},
		{"a quote that does not end", "", false, http.Header{"Cache-Control": {`x="public, max-age=60`}}, "private", ""},
		{"empty", "", false, http.Header{"Cache-Control": {" , "}}, "private", ""},
		{"varies already", "Cookie", false, http.Header{"Vary": {"Accept, cookie"}}, "private", "Accept, cookie"},
		{"varies otherwise", "Cookie", false, http.Header{"Vary": {"Accept"}}, "private", "Accept|Cookie"},
		{"varies wholly", "Cookie", false, http.Header{"Vary": {"*"}}, "private", "*"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := test.upstream.Clone()
			h.Set("CDN-Cache-Control", "max-age=600")
			correct := Private(test.vary, test.shared)
			correct(h)
			correct(h) // as an informational answer makes it
			if got := strings.Join(h["Cache-Control"], "|"); got != test.want {
				t.Errorf("Cache-Control: %q, want %q", got, test.want)
			}
			if got := strings.Join(h["Vary"], "|"); got != test.varies {
				t.Errorf("Vary: %q, want %q", got, test.varies)
			}
			if _, there := h["Cdn-Cache-Control"]; there != test.shared {
				t.Errorf("CDN-Cache-Control: %v", there)
			}
		})
	}
}

// TestPrivateCopies: T-67. No slice of the upstream's is changed in place.
func TestPrivateCopies(t *testing.T) {
	control, vary := []string{"public", "max-age=1"}, make([]string, 1, 4)
	vary[0] = "Accept"
	h := http.Header{"Cache-Control": control, "Vary": vary}
	Private("Cookie", false)(h)
	if diff := cmp.Diff([]string{"public", "max-age=1"}, control); diff != "" || vary[:2][1] != "" {
		t.Errorf("%s %q", diff, vary[:2])
	}
}

// TestShareable: R-CACHE-4, RFC 9111, section 3.5.
func TestShareable(t *testing.T) {
	tests := map[string]bool{
		"": false, "max-age=60": false, "private, must-revalidate": false, "no-store, public": false,
		"public": true, "Max-Age=3, S-MAXAGE=60": true, "must-revalidate": true, `private="x", public`: true,
	}
	for text, want := range tests {
		if got := Shareable(http.Header{"Cache-Control": {text}}); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if Shareable(http.Header{}) {
		t.Error("nothing said counts as shareable")
	}
}

// FuzzPrivate: whatever an upstream says, no shared cache may store the answer
// afterwards, and a second correction changes nothing.
func FuzzPrivate(f *testing.F) {
	for _, seed := range []string{"public", `private="a,b", public`, `x="\"", s-maxage=1`, ",,", `"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h := http.Header{"Cache-Control": {text}}
		Private("", false)(h)
		got := h.Get("Cache-Control")
		directives, ok := splitDirectives(got)
		if !ok || !contains(directives, "private") && !contains(directives, "no-store") || contains(directives, "public") {
			t.Errorf("%q became %q", text, got)
		}
		Private("", false)(h)
		if again := h.Get("Cache-Control"); again != got {
			t.Errorf("%q became %q and then %q", text, got, again)
		}
	})
}
