package session

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// FuzzValues: the values are those that net/http finds.
func FuzzValues(f *testing.F) {
	for _, line := range []string{
		"a=1", "b=2; a=1;a=3 ; c", ` a = "x" `, "a", "a=", "=a", `a="`, `a=""`, `a="\"`, "a=x=y", "aa=1; A=2", "a=x y", "a=\x7f;a=\u00e9; a=\xff",
		"\ta=1\t;\u00a0a=2", "; ;a=1;;", "a=x,y", strings.Repeat(";", maxCookies-1) + "a=1", strings.Repeat(";", maxCookies-2) + "a=1",
	} {
		f.Add(line, "b=1; a=2")
		f.Add(line, "")
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		r := &http.Request{Header: http.Header{"Cookie": {one, other}}}
		var want []string
		for _, cookie := range r.CookiesNamed("a") {
			want = append(want, cookie.Value)
		}
		if got := CookieValues(r, "a"); !slices.Equal(got, want) {
			t.Errorf("%q, %q: %q, want %q", one, other, got, want)
		}
	})
}

// TestValuesAllocations: other cookies cost no memory, however many there are.
func TestValuesAllocations(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	for _, others := range []int{0, 1, maxCookies - 1, maxCookies} {
		for cookie, want := range map[string]float64{"": 0, "__Host-policy_auth=x": 1} {
			r.Header.Set("Cookie", strings.Repeat("a;", others)+cookie)
			if got := testing.AllocsPerRun(10, func() { CookieValues(r, "__Host-policy_auth") }); got > want {
				t.Errorf("%d others and %q: %v allocations", others, cookie, got)
			}
		}
	}
}
