package request

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestN06Override: _method is found under each name that PHP or Rack read so.
func TestN06Override(t *testing.T) {
	for _, query := range []string{
		"_method=DELETE", ".method=DELETE", "+_method=DELETE", "%20.method=DELETE", "[method=DELETE", "%5Bmethod=DELETE", "[_method]=DELETE", "_method[]=DELETE",
		"_method%00x=DELETE", "a=1;_method=DELETE", "_method=DELETE;a=1", "a=1&b;+.method=DELETE", "%5fmethod=DELETE", "_method=GET&.method=DELETE",
	} {
		if got, _ := parseQuery(nil, query); !slices.Contains(got["_method"], "DELETE") {
			t.Errorf("%s: %q", query, got)
		}
	}
	for _, query := range []string{"method=DELETE", "x_method=DELETE", "+method=DELETE", "_methods=DELETE", "a=_method%3DDELETE", "a=1%3b_method=DELETE", "_Method=DELETE"} {
		if got, _ := parseQuery(nil, query); got["_method"] != nil {
			t.Errorf("%s: %q", query, got)
		}
	}
	if got, _ := parseQuery(nil, ".method=DELETE"); !slices.Equal(got[".method"], []string{"DELETE"}) {
		t.Errorf("the parameter itself is gone: %q", got)
	}
	r := ask(t, "GET", "/a%3f.method=DELETE", nil)
	if !slices.ContainsFunc(r.Readings(), func(reading Reading) bool {
		return slices.Contains(r.Fields(reading, AllFields).Query["_method"], "DELETE")
	}) {
		t.Error("S-06: the override that comes out of the path is not shown")
	}
}

// TestS06TooManyParameters: the work for a query is limited: one with more parameters than
// servers accept is rejected before it is parsed.
func TestS06TooManyParameters(t *testing.T) {
	for count, want := range map[int]Flag{maxParameters: "", maxParameters + 1: FlagTooLong} {
		query := strings.TrimSuffix(strings.Repeat("a=1&", count), "&")
		for _, target := range []string{"/?" + query, "/a?b"} {
			r := changedTo("GET", "/a?b", "GET", target, StrippedQuery{})
			if target == "/a?b" {
				r = changedTo("GET", "/?"+query, "GET", target, StrippedQuery{})
			}
			if got := r.RejectedFlag(); got != want {
				t.Errorf("%d parameters: rejected for %q, want %q", count, got, want)
			}
		}
	}
}

// FuzzS07CutMethod: what is left of a query names no other method, in whatever spelling
// an application reads it, and what else there is stays.
func FuzzS07CutMethod(f *testing.F) {
	for _, seed := range []string{
		"_method=DELETE", "x=1&_method=DELETE&y=2", ".method=DELETE", "+_method=DELETE", "[method=DELETE", "a=1;_method=DELETE;b", "_method[]=DELETE", "_method[a;b]=DELETE",
		"]_method=x", "__method=x", "%5fmethod%00x=DELETE", "%2emethod=x", "_.method]=x", "[;_method&method=DELETE", "method=GET", "_methods=x", "a=_method=DELETE",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		cut := RemoveParameters(raw, []string{MethodParameter})
		if query, _ := parseQuery(nil, cut); query[MethodParameter] != nil {
			t.Errorf("%q keeps %q", raw, cut)
		}
		query, _ := parseQuery(nil, raw)
		if query[MethodParameter] == nil && strings.TrimRight(raw, "&;") != strings.TrimRight(cut, "&;") {
			t.Errorf("%q became %q", raw, cut)
		}
	})
}

// FuzzCutParameters: what is cut is gone in every spelling, and what else there is
// stays as it is.
func FuzzCutParameters(f *testing.F) {
	for _, seed := range []string{"a=1&b=2", "access_token=x;a", "access.token=1&+access[token=2", "%61ccess_token", "&&;=", "a=%zz"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		cut := RemoveParameters(raw, []string{"access_token"})
		if again := RemoveParameters(cut, []string{"access_token"}); again != cut {
			t.Fatalf("%q: %q is cut again to %q", raw, cut, again)
		}
		for part := range strings.FieldsFuncSeq(cut, func(c rune) bool { return c == '&' || c == ';' }) {
			name, _, _ := strings.Cut(part, "=")
			if decoded, err := url.QueryUnescape(name); err == nil && foldPHPName(decoded) == "access_token" {
				t.Errorf("%q keeps %q", raw, part)
			}
			if !strings.Contains(raw, part) {
				t.Errorf("%q has got %q", raw, part)
			}
		}
		if !strings.Contains(raw, "access") && !strings.Contains(raw, "%") && !strings.Contains(raw, "token") && strings.Trim(raw, "&;") != strings.Trim(cut, "&;") {
			t.Errorf("%q became %q", raw, cut)
		}
	})
}
