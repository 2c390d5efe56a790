package pages

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// hostile are texts that would break out of a page, of an attribute or of a template.
var hostile = []string{
	"plain", "", `</p><script>alert(1)</script>`, `" onload='x' `, "a&b&amp;c", "{{.Brand}} {{{", "\x00\x01\x7f\u0085\u2028\ufeff", "a\xff\xc0\x80b",
	"+1 = `2`", "<!-- ]]> -->", "hole9f3cuserhole", "hole9f3cidhole hole9f3ccode0xhole", "é ü 漢 \U0001F600", strings.Repeat("<", 5000), "</style><style>a{}",
}

// rendered returns the page that html/template makes, and its Content-Security-Policy.
func rendered(p *Pages, d Denial, words *wording, class Class) (page, policy string) {
	content := p.render(d.escapeActions(), words, words.Classes[class])
	return string(content), contentPolicy(content)
}

// withHostile returns refusals of a status and a reason with a hostile text in each
// place, and in all of them.
func withHostile(d Denial, text string) []Denial {
	named := func(id, username, name string) *authenticator.Identity {
		return &authenticator.Identity{Authenticated: true, ID: id, Username: username, Name: name}
	}
	message, codes, all := d, d, d
	message.Message, message.Identity = text, named("id", text, "")
	codes.Codes, codes.Remediation = []string{text, "b", text}, text
	all.Message, all.Remediation, all.Codes, all.RequestID, all.Identity = text, text, []string{text}, text, named(text, text, text)
	return []Denial{d, message, codes, all}
}

// TestForms: T-39. The page that is filled in is the one that html/template makes, for
// each class, language and brand, whatever the texts are.
func TestForms(t *testing.T) {
	brands := map[string]Brand{"no brand": {}, "a brand": {Name: `A & "B" <hole9f3cuserhole>`, Logo: "/l.svg", Color: "#123", SupportURL: "mailto:a@b.example", RequestAccessURL: "/ask?a=b&c", HomeURL: "https://a.example/"}}
	for name, brand := range brands {
		for class := range mustLoad(t).wordings[0].Classes {
			t.Run(fmt.Sprintf("%s, %s", name, class), func(t *testing.T) {
				p := open(t, Config{Brand: brand})
				for i, words := range p.languages.wordings {
					for _, text := range hostile[i%2:] {
						for _, d := range withHostile(refuse([]int{401, 403, 404, 503}[i], "policy_denied"), text) {
							want, wantPolicy := rendered(p, d, words, class)
							got, policy := p.appendPage([]byte("before"), d, words, class)
							if string(got) != "before"+want || policy != wantPolicy {
								t.Fatalf("%q: %s\n%s", text, cmp.Diff("before"+want, string(got)), cmp.Diff(wantPolicy, policy))
							}
						}
					}
				}
				if len(p.cache.pages) == 0 || len(p.cache.pages) > maxPrerendered {
					t.Errorf("%d forms", len(p.cache.pages))
				}
				for key, f := range p.cache.pages {
					if f == nil && brand.Name == "" {
						t.Errorf("%+v has no form", key)
					}
				}
			})
		}
	}
}

func mustLoad(t *testing.T) *languages {
	t.Helper()
	l, err := loadLanguages()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestFormsBounded: however many kinds of pages there are, so many forms are kept.
func TestFormsBounded(t *testing.T) {
	p := open(t, Config{})
	for status := 400; status < 400+maxPrerendered+20; status++ {
		d := refuse(status, "policy_denied")
		want, _ := rendered(p, d, p.languages.wordings[0], ClassForbidden)
		if got, _ := p.appendPage(nil, d, p.languages.wordings[0], ClassForbidden); string(got) != want {
			t.Fatalf("%d: %s", status, cmp.Diff(want, string(got)))
		}
	}
	if len(p.cache.pages) != maxPrerendered {
		t.Errorf("%d forms", len(p.cache.pages))
	}
}

// TestNoForm: a page with an address of a sign-in and one of the site's own are rendered.
func TestNoForm(t *testing.T) {
	d := refuse(401, "credentials_missing")
	own := open(t, Config{Dir: directory(t, map[string]string{"401.html": `<a title="{{.RequestID}}">{{len .Message}}</a>`})})
	if f := own.prerendered(d, own.languages.wordings[0], ClassSignInNeeded); f != nil {
		t.Error("a page of the site's own has a form")
	}
	d.LoginURL = "/login?a=b&c=<"
	p := open(t, Config{})
	want, _ := rendered(p, d, p.languages.wordings[0], ClassSignInNeeded)
	if got, _ := p.appendPage(nil, d, p.languages.wordings[0], ClassSignInNeeded); string(got) != want || len(p.cache.pages) > 0 {
		t.Error(cmp.Diff(want, string(got)))
	}
}

// TestTooLargeForm: R-PAGE-12. A page that is too large with the texts of a request is
// not sent.
func TestTooLargeForm(t *testing.T) {
	reported := 0
	p, err := New(Config{}, func(error) { reported++ })
	if err != nil {
		t.Fatal(err)
	}
	d := refuse(403, "policy_denied")
	d.Message = strings.Repeat("a", maxPage)
	for range 2 {
		if page, _ := p.appendPage(nil, d, p.languages.wordings[0], ClassForbidden); len(page) > 0 {
			t.Errorf("%d bytes", len(page))
		}
	}
	if reported == 0 {
		t.Error("it is not reported")
	}
}

// FuzzForm: the same for any text.
func FuzzForm(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	p, err := New(Config{}, func(error) {})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range withHostile(refuse(403, "policy_denied"), text) {
			want, _ := rendered(p, d, p.languages.wordings[0], ClassForbidden)
			if got, _ := p.appendPage(nil, d, p.languages.wordings[0], ClassForbidden); string(got) != want {
				t.Fatal(cmp.Diff(want, string(got)))
			}
		}
	})
}
