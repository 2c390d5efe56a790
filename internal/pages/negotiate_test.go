package pages

import (
	"net/http"
	"strings"
	"testing"
)

// TestNegotiate: R-PAGE-1, R-PAGE-2, R-PAGE-3, R-PAGE-4, R-PAGE-5.
func TestNegotiate(t *testing.T) {
	tests := []struct {
		name   string
		accept []string
		want   mediaType
	}{
		{"no Accept", nil, typeProblem},
		{"an empty one", []string{""}, typeProblem},
		{"anything", []string{"*/*"}, typeProblem},
		{"HTML", []string{"text/html"}, typeHTML},
		{"HTML with a charset", []string{"text/html;charset=utf-8"}, typeHTML},
		{"HTML in capitals", []string{"TEXT/HTML"}, typeHTML},
		{"problem documents", []string{"application/problem+json"}, typeProblem},
		{"JSON", []string{"application/json"}, typeProblem},
		{"any application", []string{"application/*"}, typeProblem},
		{"text", []string{"text/plain"}, typeText},
		{"any text", []string{"text/*"}, typeHTML},
		{"text rather than HTML", []string{"text/html;q=0.5, text/plain"}, typeText},
		{"weights", []string{"text/html;q=0.5, application/problem+json"}, typeProblem},
		{"weights of JSON", []string{"text/html;q=0.5, application/json"}, typeProblem},
		{"HTML rather than anything", []string{"text/html, */*;q=0.1"}, typeHTML},
		{"anything but problem documents", []string{"application/problem+json;q=0, */*"}, typeHTML},
		{"anything but JSON and HTML", []string{"application/problem+json;q=0, text/html;q=0, */*"}, typeText},
		{"a tie", []string{"text/html, application/problem+json"}, typeProblem},
		{"a tie of texts", []string{"text/plain, text/html"}, typeHTML},
		{"more specific", []string{"text/*;q=0.9, text/html;q=0.1, application/json;q=0.5"}, typeText},
		{"several lines", []string{"image/png", "text/html"}, typeHTML},
		{"nothing acceptable", []string{"image/png"}, typeProblem},
		{"nothing at all", []string{"*/*;q=0"}, typeProblem},
		{"a browser's navigation", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}, typeHTML},
		{"an image element", []string{"image/avif,image/webp,image/*,*/*;q=0.8"}, typeProblem},
		{"curl", []string{"*/*"}, typeProblem},
		{"empty members", []string{",, ,text/html,"}, typeHTML},
		{"bad weights", []string{"text/html;q=2, text/plain;q=x, application/json;q=-1, text/html;q=NaN"}, typeProblem},
		{"a weight in capitals", []string{"text/html;Q=0.1, text/plain"}, typeText},
		{"no type", []string{"html, text, text/html/x, text/html/*"}, typeProblem},
		{"a flood", []string{strings.Repeat("a/b,", 100_000) + "text/html"}, typeProblem},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := http.Header{}
			if test.accept != nil {
				h["Accept"] = test.accept
			}
			if got := negotiate(h); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// FuzzNegotiate: R-PAGE-4: there is always a type, whatever the header holds.
func FuzzNegotiate(f *testing.F) {
	for _, accept := range []string{"", "*/*", "text/html;q=0.5, application/problem+json", "text/*;q=0,text/plain", ";;q=,/,", "text/html;q=1e-400"} {
		f.Add(accept)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		switch got := negotiate(http.Header{"Accept": {accept}}); got {
		case typeProblem, typeHTML, typeText:
		default:
			t.Fatalf("got %q", got)
		}
		for r := range mediaRanges([]string{accept}) {
			if !(r.quality >= 0 && r.quality <= 1) || strings.Count(r.name, "/") != 1 {
				t.Fatalf("got %+v", r)
			}
		}
	})
}
