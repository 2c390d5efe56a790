package sharelink

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestSpec: bad descriptions of links are errors that name what is wrong.
func TestSpec(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	good := "https://photos.example.com/2026/*"
	many := make([]string, maxPaths+1)
	for i := range many {
		many[i] = good
	}
	for name, test := range map[string]struct {
		spec Spec
		err  string
	}{
		"good":                       {Spec{URLs: []string{good}}, ""},
		"several paths":              {Spec{URLs: []string{good, "https://photos.example.com/css/*"}}, ""},
		"a host in capitals":         {Spec{URLs: []string{"https://Photos.Example.COM./x"}}, ""},
		"an address":                 {Spec{URLs: []string{"http://[::1]:8080/x"}}, ""},
		"no URL":                     {Spec{}, "name a URL"},
		"too many URLs":              {Spec{URLs: many}, "at most 100 URLs"},
		"two sites":                  {Spec{URLs: []string{good, "https://files.example.com/"}}, "a link is for one site"},
		"two ports":                  {Spec{URLs: []string{good, "https://photos.example.com:8443/"}}, "a link is for one site"},
		"no scheme":                  {Spec{URLs: []string{"photos.example.com/x"}}, "not an absolute URL"},
		"another scheme":             {Spec{URLs: []string{"javascript:alert(1)"}}, "not an absolute URL"},
		"a password":                 {Spec{URLs: []string{"https://alice:test-secret@photos.example.com/"}}, "without a user name"},
		"a query":                    {Spec{URLs: []string{good + "?a=b"}}, "without a query"},
		"a fragment":                 {Spec{URLs: []string{good + "#a"}}, "without a query"},
		"no URL at all":              {Spec{URLs: []string{"https://a b/"}}, "cannot be parsed"},
		"any host":                   {Spec{URLs: []string{"https://*.example.com/"}}, "not a host"},
		"a port that is none":        {Spec{URLs: []string{"https://photos.example.com:0/"}}, "not a port"},
		"a name":                     {Spec{URLs: []string{good}, Name: "Überraschung <b>"}, ""},
		"a name of 10 KB":            {Spec{URLs: []string{good}, Name: strings.Repeat("a", 10<<10)}, "at most 200"},
		"a name with a line break":   {Spec{URLs: []string{good}, Name: "a\nb"}, "printable"},
		"a name that turns the text": {Spec{URLs: []string{good}, Name: "a\u202eb"}, "printable"},
		"a name that is no text":     {Spec{URLs: []string{good}, Name: "\xff"}, "printable"},
		"too many uses":              {Spec{URLs: []string{good}, Uses: maxUses + 1}, "uses: want"},
		"uses below zero":            {Spec{URLs: []string{good}, Uses: -1}, "uses: want"},
		"an end that is none":        {Spec{URLs: []string{good}, Until: "soon"}, "until: \"soon\" is neither"},
	} {
		_, _, err := test.spec.Parse(now)
		if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "test-secret")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPaths: whole segments match, and nothing that a request could not mean.
func TestPaths(t *testing.T) {
	for text, test := range map[string]struct{ opens, not []string }{
		"/2026/*":      {[]string{"/2026", "/2026/", "/2026/a", "/2026/a/b.jpg", "/2026//a"}, []string{"/", "/20267", "/2026x/a", "/a/2026/b", "//2026/a", "", "/2025/a"}},
		"/a.jpg":       {[]string{"/a.jpg", "/a.jpg/"}, []string{"/a.jpg/b", "/A.jpg", "/a.jp", "/"}},
		"/Album/*":     {[]string{"/Album/x"}, []string{"/album/x", "/ALBUM"}},
		"/":            {[]string{"/", ""}, []string{"/a"}},
		"/*":           {[]string{"/", "/a", "/a/b"}, []string{"*"}},
		"/f%C3%BCr%20": {[]string{"/für "}, []string{"/für"}},
	} {
		u, _ := url.Parse(text)
		path, err := ParsePath(u)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		link := &Link{Paths: []Path{path}}
		for _, one := range test.opens {
			if !link.Opens(one) {
				t.Errorf("%s does not open %q", text, one)
			}
		}
		for _, one := range test.not {
			if link.Opens(one) {
				t.Errorf("%s opens %q", text, one)
			}
		}
	}
	for _, text := range []string{"/a/../b", "/a/%2e%2e/b", "/a//b", "/a%2fb", "/a/*/b", "/a*", "/a;b", "/a%3bb", "/a%5cb", "/a%00", "/a%0ab", "/%2a", "/a/%2A", "/a%25", "/" + strings.Repeat("a", maxPath)} {
		if u, err := url.Parse(text); err == nil {
			if path, err := ParsePath(u); err == nil {
				t.Errorf("%s is taken as %s", text, path)
			}
		}
	}
}

// TestStart: where guests begin.
func TestStart(t *testing.T) {
	for path, want := range map[Path]string{"/2026/*": "/2026/", "/a b.jpg": "/a%20b.jpg", "/*": "/", "/": "/"} {
		if got := path.start(); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// TestUntil: how the end of a link is written, and that max_age limits it.
func TestUntil(t *testing.T) {
	zone := time.FixedZone("test", 2*60*60)
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, zone)
	for text, want := range map[string]string{
		"7d":                   "2026-07-08T10:00:00Z",
		"90m":                  "2026-07-01T11:30:00Z",
		"2026-07-03":           "2026-07-03T21:59:59Z",
		"2026-07-01":           "2026-07-01T21:59:59Z",
		"2026-07-02T00:00:00Z": "2026-07-02T00:00:00Z",
		"2026-06-30":           "in the past",
		"-1h":                  "in the past",
		"tomorrow":             "neither a duration",
		"":                     "neither a duration",
	} {
		got, err := ParseUntil(text, now)
		if err != nil && !strings.Contains(err.Error(), want) || err == nil && got.Format(time.RFC3339) != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	link := Link{Created: now, Until: now.Add(60 * 24 * time.Hour)}
	if err := link.limit(DefaultMaxAge); err == nil || !strings.Contains(err.Error(), "is 60d from now, and max_age of links allows at most 30d") {
		t.Error(err)
	}
	for maxAge, want := range map[time.Duration]time.Duration{DefaultMaxAge: DefaultAge, time.Hour: time.Hour} {
		link := Link{Created: now}
		if err := link.limit(maxAge); err != nil || link.Until.Sub(now) != want {
			t.Errorf("%s: %s, %v", maxAge, link.Until, err)
		}
	}
}
