package request

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// pathsOf returns the paths of readings, with their query if it comes from the path.
func pathsOf(readings []Reading) []string {
	var paths []string
	for _, reading := range readings {
		path := reading.Path
		if reading.queryFromPath {
			path += "?" + reading.Query
		}
		paths = append(paths, path)
	}
	return paths
}

// TestN02N03Closure: every further decoding is a reading, and so is what is left
// of a path that is parsed as a URL again.
func TestN02N03Closure(t *testing.T) {
	tests := []struct {
		name, target string
		want         []string
		flag         Flag
	}{
		{"N-02 a letter", "/app/%2561dmin/x", []string{"/app/%61dmin/x", "/app/admin/x"}, ""},
		{"N-02 a slash", "/app/admin%252fx", []string{"/app/admin%2fx", "/app/admin%2Fx", "/app/admin/x"}, ""},
		{"N-02 deep", "/%25252561", []string{"/%252561", "/%2561", "/%61", "/a"}, ""},
		{"N-02 a parameter", "/admin%253bx", []string{"/admin%3bx", "/admin;x", "/admin"}, ""},
		{"N-02 two slashes", "/a%252f%252fb", []string{"/a%2f%2fb", "/a%2F%2Fb", "/a//b", "/a/b"}, ""},
		{"N-02 a dot in between", "/docs/%252e%252e/admin", []string{"/docs/%2e%2e/admin", "/admin", "/docs/../admin"}, FlagDotSegment},
		{"N-02 a backslash", "/a%255cb", nil, FlagBackslash},
		{"N-02 a NUL", "/a%2500", nil, FlagControlCharacter},
		{"N-02 overlong dots", "/a/%25c0%25ae", nil, FlagInvalidUTF8},
		{"S-05 four decodings", "/%2525252561", []string{"/%25252561", "/%252561", "/%2561", "/%61", "/a"}, ""},
		{"S-05 five decodings", "/%252525252561", []string{"/%2525252561"}, FlagOverEncoded},
		{"S-05 a per cent sign", "/100%25", []string{"/100%"}, ""},
		{"S-05 a name in per cent", "/files/100%2525.txt", []string{"/files/100%25.txt", "/files/100%.txt"}, ""},
		{"S-05 a bad escape beside a good one", "/100%25/%2561", []string{"/100%/%61", "/100%/a"}, ""},
		{"S-05 no UTF-8", "/100%25ab", []string{"/100%ab", "/100\uFFFD"}, ""},
		{"N-03 a question mark", "/top.txt%3f", []string{"/top.txt?", "/top.txt?"}, ""},
		{"N-03 a number sign", "/top.txt%23x", []string{"/top.txt#x", "/top.txt"}, ""},
		{"N-03 deep", "/top%253Fx", []string{"/top%3Fx", "/top?x", "/top?x"}, ""},
		{"S-06 both queries", "/a%3fb=1?c=2", []string{"/a?b=1", "/a?b=1", "/a?b=1&c=2"}, ""},
		{"plain signs", "/a+b%20c%C3%A9%26", []string{"/a+b cé&"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := ask(t, "GET", test.target, nil)
			if got := r.RejectedFlag(); got != test.flag {
				t.Errorf("refused for %q, want %q", got, test.flag)
			}
			got := pathsOf(r.Readings())
			if test.flag != "" {
				for _, want := range test.want {
					if !slices.Contains(got, want) {
						t.Errorf("%q is not among %q", want, got)
					}
				}
				return
			}
			slices.Sort(got)
			slices.Sort(test.want)
			if !slices.Equal(got, test.want) {
				t.Errorf("readings %q, want %q", got, test.want)
			}
		})
	}
}

// TestS06VariantLimit: the variants of one path are limited while they are computed.
func TestS06VariantLimit(t *testing.T) {
	path := `/a\b%5cc;p%3bq//d/../e%2f%2ef%253fg=1%25253fh=2%2523i%3fj=3%23k%252fl%255cm%2525252fn/./o`
	variants, flags := pathVariants(pathVariant{path: path, query: "z"}, nil)
	if len(variants) != maxVariants || !slices.Contains(flags, FlagTooLong) {
		t.Errorf("%d variants, flags %q", len(variants), flags)
	}
}

// TestS05AnyDepth: a flag is allowed at every depth, or at none.
func TestS05AnyDepth(t *testing.T) {
	for target, flag := range map[string]Flag{
		"/a/..": FlagDotSegment, "/a/%2e%2e": FlagDotSegment, "/a/%252e%252e": FlagDotSegment, "/a/%25252e.": FlagDotSegment, "/a%252f%252e%252e": FlagDotSegment,
		"/a%5cb": FlagBackslash, "/a%255cb": FlagBackslash, "/a%25255cb": FlagBackslash, "/a%00": FlagControlCharacter, "/a%252500": FlagControlCharacter,
	} {
		if got := ask(t, "GET", target, nil).RejectedFlag(); got != flag {
			t.Errorf("%s: refused for %q, want %q", target, got, flag)
		}
		if got := ask(t, "GET", target, &Config{AllowedFlags: []Flag{flag}}).RejectedFlag(); got != "" {
			t.Errorf("%s: allowed, yet refused for %q", target, got)
		}
	}
	all := make([]Flag, 0, len(rejectedFlags))
	for _, name := range AllowableFlags() {
		all = append(all, Flag(name))
	}
	many := "/a%2fb;x%253fc//%252fd%3by"
	for _, target := range []string{"/%252525252561", many} {
		r := ask(t, "GET", target, &Config{AllowedFlags: all})
		if target == many {
			r = rewrittenTo("/x"+many, many)
		}
		if r.RejectedFlag() == "" || !r.Unreadable() || len(r.Readings()) > maxReadings {
			t.Errorf("%s: judged in %d readings", target, len(r.Readings()))
		}
	}
}

// rewrittenTo makes a Request that asked for one path and was rewritten to another.
func rewrittenTo(asked, now string) *Request {
	r := httptest.NewRequest("GET", asked, nil)
	facts := Metadata{ID: func() string { return "" }, Method: "GET", URL: r.URL, RequestURI: asked}
	changed := *r
	changed.URL, _ = url.Parse("http://h.example" + now)
	return New(&changed, facts, new(Config))
}

// TestN04Rewritten: the path that the next handler sees is read in all ways, too.
func TestN04Rewritten(t *testing.T) {
	tests := []struct {
		name, asked, now string
		want             []string // path > rewritten path ? query
		flag             Flag
	}{
		{"N-04 none", "/a?b", "/a", []string{"/a > /a ?b", "/a > /a ?"}, ""},
		{"N-04 plain", "/x/a", "/a", []string{"/x/a > /a ?"}, ""},
		{"N-04 ambiguous", "/x/a", "/%2561", []string{"/x/a > /%61 ?", "/x/a > /a ?"}, ""},
		{"N-04 both", "/x%3b/a", "/;/a", []string{"/x;/a > /;/a ?", "/x;/a > //a ?", "/x;/a > /a ?", "/x/a > /;/a ?", "/x/a > //a ?", "/x/a > /a ?"}, ""},
		{"S-06 a query", "/x/a?q", "/a%3fb?q", []string{"/x/a > /a?b ?q", "/x/a > /a ?q", "/x/a > /a ?b", "/x/a > /a ?b&q"}, ""},
		{"S-05 no UTF-8", "/100%25ab", "/100%ab", []string{"/100%ab > /100\uFFFD ?", "/100\uFFFD > /100\uFFFD ?"}, ""},
		{"S-05 overlong", "/x", "/%c0%ae", nil, FlagInvalidUTF8},
		{"S-05 dots", "/x", "/a/%252e%252e/b", nil, FlagDotSegment},
		{"S-05 a NUL", "/x", "/%2500", nil, FlagControlCharacter},
		{"S-05 too deep", "/x", "/%252525252561", nil, FlagOverEncoded},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := rewrittenTo(test.asked, test.now)
			if got := r.RejectedFlag(); got != test.flag {
				t.Errorf("refused for %q, want %q", got, test.flag)
			}
			var got []string
			for _, reading := range r.Readings() {
				got = append(got, fmt.Sprintf("%s > %s ?%s", reading.Path, reading.Rewritten, reading.Query))
			}
			if test.flag == "" && !slices.Equal(got, test.want) {
				t.Errorf("readings %q, want %q", got, test.want)
			}
		})
	}
}

// TestS06HiddenCredential: a query credential that would come out of the path is
// refused, since it can be neither read nor removed.
func TestS06HiddenCredential(t *testing.T) {
	config := &Config{CredentialParameters: []string{"access_token"}}
	for target, want := range map[string]Flag{
		"/a%3faccess_token=x": FlagHiddenCredential, "/a%253Fb%26access_token=x": FlagHiddenCredential, "/a%3f.;access.token=x": FlagHiddenCredential,
		"/a%3fb=access_token": "", "/access_token=x": "", "/a?access_token=x": "",
	} {
		if got := ask(t, "GET", target, config).RejectedFlag(); got != want {
			t.Errorf("%s: refused for %q, want %q", target, got, want)
		}
	}
}

// FuzzN02Decode: decoding ends, never grows, and a path that is judged does not
// change any more.
func FuzzN02Decode(f *testing.F) {
	for _, seed := range []string{"/%2561", "/100%25", "/%25252525252561", "/a%3fb%23c", "/%", "/%c3%a9%2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		readings, flags := readPath(path, "q", flagSegments(parsePath(path), nil))
		if len(path) > maxAmbiguousPath || slices.Contains(flags, FlagOverEncoded) || slices.Contains(flags, FlagTooLong) {
			return
		}
		text := path
		for range maxDecodings + 1 {
			if next := decode(text); len(next) > len(text) {
				t.Fatalf("%q grew to %q", text, next)
			} else {
				text = next
			}
			if reading := parsePath(strings.ReplaceAll(text, "%", "%25")); slices.Contains(flags, FlagInvalidUTF8) || len(readings) == 0 || !isRead(readings, reading) {
				if !slices.Contains(flags, FlagInvalidUTF8) {
					t.Errorf("%q is read as %q, which is not among %q", path, reading.Segments, pathsOf(readings))
				}
			}
		}
		if decode(text) != text {
			t.Errorf("%q still changes", text)
		}
	})
}

// isRead reports whether a reading, shown as valid UTF-8, is among others.
func isRead(readings []Reading, wanted Reading) bool {
	for i, segment := range wanted.Segments {
		wanted.Segments[i] = toValidUTF8(segment)
	}
	return slices.ContainsFunc(readings, func(r Reading) bool {
		shown := slices.Clone(r.Segments)
		for i := range shown {
			shown[i] = toValidUTF8(shown[i])
		}
		return slices.Equal(shown, wanted.Segments)
	})
}
