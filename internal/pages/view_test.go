package pages

import (
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/errorpages"
	"github.com/policyauth/caddy-policy-auth/test/vectors"
)

// everything returns a refusal and a brand in which each text is s.
func everything(s string) (Denial, Brand) {
	d := refuse(403, "policy_denied")
	d.Message, d.Remediation, d.RequestID, d.Codes = s, s, s, []string{s}
	d.Identity = &authenticator.Identity{Authenticated: true, ID: s, Username: s, Name: s}
	return d, Brand{Name: s, SupportURL: "mailto:help@example.com", RequestAccessURL: "https://example.com/ask", HomeURL: "/", Logo: "/logo.svg"}
}

// shape returns a page's elements with the names of their attributes, and the
// values of those that a browser acts upon.
func shape(t testing.TB, page string) []string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for node := range root.Descendants() {
		if node.Type != html.ElementNode {
			continue
		}
		var attributes []string
		for _, a := range node.Attr {
			switch a.Key {
			case "href", "src", "style", "content", "class", "lang":
				attributes = append(attributes, a.Key+"="+a.Val)
			default:
				attributes = append(attributes, a.Key)
			}
		}
		slices.Sort(attributes)
		found = append(found, node.Data+" "+strings.Join(attributes, " "))
	}
	return found
}

// reflecting puts what a stranger may have written wherever a page can show it.
const reflecting = `<!doctype html>
<html lang="{{.Lang}}"><head><title>{{.Message}} {{.Brand.Name}}</title>
<style>p{color:red}/* {{.Lang}} */</style></head>
<body data-user="{{.User}}" data-id={{.RequestID}}>
<p title='{{.Remediation}}'>{{.Message}}</p>
{{with .Identity}}<p>{{.ID}} {{.Username}} {{.Name}}</p>{{end}}
<textarea>{{.Message}}</textarea>
<a title="{{.Message}}">{{.User}}</a>
{{range .Codes}}<code>{{.}}</code>{{end}}
<!-- {{.Message}} -->
</body></html>`

// TestScripting: R-PAGE-10, T-39: no payload makes an element or an attribute
// of its own, on our page or on a site's, nor widens what the page may do.
func TestScripting(t *testing.T) {
	dir := directory(t, map[string]string{"error.html": reflecting})
	for name, dir := range map[string]string{"ours": "", "a site's": dir} {
		t.Run(name, func(t *testing.T) {
			benign, brand := everything("harmless")
			p := open(t, Config{Dir: dir, Brand: brand})
			want := shape(t, bodyOf(t, p, benign, "Accept", asHTML))
			policy := ask(t, p, benign, "Accept", asHTML).Header["Content-Security-Policy"]
			for _, payload := range vectors.Lines(t, "payloadsallthethings", "xss") {
				d, brand := everything(payload)
				p.brand = brand.view()
				d.RequestID = strings.Trim(payload, "\r\n")
				if got := shape(t, bodyOf(t, p, d, "Accept", asHTML)); !slices.Equal(got, want) {
					t.Errorf("%q: the page became\n%s", payload, strings.Join(got, "\n"))
				}
				if got := ask(t, p, d, "Accept", asHTML).Header["Content-Security-Policy"]; !slices.Equal(got, policy) {
					t.Errorf("%q: the page may %s", payload, got)
				}
			}
		})
	}
}

// TestScriptingElsewhere: R-PAGE-10: documents and lines hold no markup that a
// browser would take for a page.
func TestScriptingElsewhere(t *testing.T) {
	p := open(t, Config{})
	for _, payload := range vectors.Lines(t, "payloadsallthethings", "xss") {
		d, _ := everything(payload)
		if body := bodyOf(t, p, d, "Accept", asJSON); strings.ContainsAny(body, "<>") {
			t.Errorf("%q: %s", payload, body)
		}
		if h := ask(t, p, d, "Accept", asText).Header; h.Get("Content-Type") != string(typeText) || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%q: %v", payload, h)
		}
	}
}

// TestBrandScripting: T-39, CVE-2024-21496: an address is refused or leads to
// where it says, never into a script.
func TestBrandScripting(t *testing.T) {
	benign, _ := everything("harmless")
	p := open(t, Config{})
	for _, payload := range append(vectors.Lines(t, "payloadsallthethings", "xss"), vectors.Lines(t, "payloadsallthethings", "open-redirect")...) {
		brand := Brand{SupportURL: payload, HomeURL: payload, RequestAccessURL: payload}
		if brand.Validate() != nil {
			continue
		}
		p.brand = brand.view()
		root, err := html.Parse(strings.NewReader(bodyOf(t, p, benign, "Accept", asHTML)))
		if err != nil {
			t.Fatal(err)
		}
		for node := range root.Descendants() {
			for _, a := range node.Attr {
				u, err := url.Parse(a.Val)
				if a.Key == "href" && a.Val != "data:," && (err != nil || !slices.Contains([]string{"", "http", "https", "mailto"}, u.Scheme)) {
					t.Errorf("%q: a link to %q", payload, a.Val)
				}
				if strings.HasPrefix(a.Key, "on") {
					t.Errorf("%q: %s", payload, a.Key)
				}
			}
		}
	}
}

// TestPage: the page says what happened, what to do, who is signed in on a 403,
// and the request's id (R-PAGE-1, R-403-1).
func TestPage(t *testing.T) {
	brand := Brand{Name: "Photos", Logo: "/logo.svg", Color: "#0a7d55", SupportURL: "mailto:help@example.com", RequestAccessURL: "https://example.com/ask?for=photos&x=1", HomeURL: "/"}
	alice := &authenticator.Identity{Authenticated: true, ID: "u-1", Username: "alice", Name: "Alice A."}
	forbidden := refuse(403, "policy_denied")
	forbidden.Identity = alice
	policy := forbidden
	policy.Message, policy.Remediation, policy.Codes = "Not on Sundays.", "Come on Monday.", []string{"closed"}
	user := forbidden
	user.Identity = &authenticator.Identity{Authenticated: true, ID: "u-1", Username: "alice"}
	id := forbidden
	id.Identity = &authenticator.Identity{Authenticated: true, ID: "u-1"}
	unauthorized := refuse(401, "token_revoked")
	unauthorized.Identity = alice
	anonymous := refuse(403, "policy_denied")
	anonymous.Identity = authenticator.Anonymous()
	tests := []struct {
		name     string
		brand    Brand
		d        Denial
		has, not []string
	}{
		{"401", Brand{}, refuse(401, "credentials_missing"), []string{"<title>Sign-in required</title>", "<h1>Sign-in required</h1>", "Sign in and try again.", requestID, "<dd>401</dd>"}, []string{"signed in as", "<header>", "<nav>", "<img", "·"}},
		{"403", brand, forbidden, []string{"<title>No access · Photos</title>", "You are signed in as <strong>Alice A.</strong>.", "Request access</a>", `href="https://example.com/ask?for=photos&amp;x=1"`, `href="mailto:help@example.com"`, `href="/"`, `<img src="/logo.svg" alt="">`, "--accent:#0a7d55"}, nil},
		{"a user without a name", Brand{}, user, []string{"<strong>alice</strong>"}, nil},
		{"a program", Brand{}, id, []string{"<strong>u-1</strong>"}, nil},
		{"a policy's words", Brand{}, policy, []string{"You may not open this page.", "Not on Sundays.", "Come on Monday.", "<code>closed</code>"}, []string{"ask the people"}},
		{"a 401 does not say who", brand, unauthorized, []string{"Sign-in failed", "Get help</a>"}, []string{"Alice", "alice", "u-1", "Request access"}},
		{"nobody is known", Brand{}, anonymous, []string{"No access"}, []string{"signed in as"}},
		{"503", brand, refuse(503, "keys_unavailable"), []string{"Temporarily unavailable", "<dd>503</dd>"}, []string{"Request access"}},
		{"only a link that does not fit", Brand{RequestAccessURL: "/ask"}, refuse(401, ""), nil, []string{"<nav>"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			body := bodyOf(t, open(t, Config{Brand: test.brand}), test.d, "Accept", asHTML)
			for _, want := range test.has {
				if !strings.Contains(body, want) {
					t.Errorf("no %s in\n%s", want, body)
				}
			}
			for _, unwanted := range append(test.not, "<script", "javascript:", "ZgotmplZ", "<no value>") {
				if strings.Contains(body, unwanted) {
					t.Errorf("%s in\n%s", unwanted, body)
				}
			}
		})
	}
}

// TestPageForm: the built-in page is one small file that loads nothing, names
// its language, has one heading, and is for small screens and dark ones too.
func TestPageForm(t *testing.T) {
	d, brand := everything("harmless")
	page := bodyOf(t, open(t, Config{Brand: brand}), d, "Accept", asHTML)
	if len(page) > 6<<10 {
		t.Errorf("%d bytes", len(page))
	}
	for _, want := range []string{`<html lang="en">`, `<meta charset="utf-8">`, "width=device-width", "prefers-color-scheme:dark", `name="color-scheme"`, "noindex", `<link rel="icon" href="data:,">`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
	}
	elements := shape(t, page)
	count := func(name string) (n int) {
		for _, element := range elements {
			if strings.HasPrefix(element, name+" ") {
				n++
			}
		}
		return n
	}
	for name, want := range map[string]int{"h1": 1, "main": 1, "title": 1, "style": 1, "script": 0, "link": 1, "iframe": 0, "form": 0, "base": 0} {
		if count(name) != want {
			t.Errorf("%d of %s", count(name), name)
		}
	}
	if strings.Contains(page, "url(") || strings.Contains(page, "@import") || strings.Contains(page, ` style="`) {
		t.Error("the page's style loads something, or is where its hash does not reach")
	}
}

var colorOf = regexp.MustCompile(`--(ink|soft|paper|card|edge|note):#([0-9a-f]{6}|[0-9a-f]{3})`)

// TestContrast: text has a contrast of 4.5 to 1 and what can be clicked one of
// 3 to 1, light and dark (WCAG 2.2, success criteria 1.4.3 and 1.4.11).
func TestContrast(t *testing.T) {
	source, err := errorpages.FS.ReadFile("frame.html")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, _ := strings.Cut(string(source), "prefers-color-scheme:dark")
	for name, css := range map[string]string{"light": light, "dark": dark} {
		colors := map[string]float64{}
		for _, match := range colorOf.FindAllStringSubmatch(css, -1) {
			colors[match[1]] = luminance(t, match[2])
		}
		if len(colors) != 6 {
			t.Fatalf("%s: %v", name, colors)
		}
		for _, pair := range []struct {
			a, b string
			want float64
		}{{"ink", "paper", 4.5}, {"ink", "card", 4.5}, {"ink", "note", 4.5}, {"soft", "card", 4.5}, {"edge", "card", 3}} {
			a, b := colors[pair.a], colors[pair.b]
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < pair.want {
				t.Errorf("%s: %s on %s: %.2f", name, pair.a, pair.b, ratio)
			}
		}
	}
}

// luminance is the relative luminance of rrggbb or rgb (WCAG 2.2).
func luminance(t testing.TB, hex string) float64 {
	if len(hex) == 3 {
		hex = hex[:1] + hex[:1] + hex[1:2] + hex[1:2] + hex[2:] + hex[2:]
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		value, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(value) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// FuzzPage: R-PAGE-10, T-39, T-66: whatever the texts are, the page keeps its shape.
func FuzzPage(f *testing.F) {
	for _, seed := range []string{"harmless", "</style><script>alert(1)</script>", `" onload="x`, "{{.}}", "\x00\xff", "&lt;", "<!--", "]]>"} {
		f.Add(seed)
	}
	d, brand := everything("harmless")
	page := open(f, Config{Brand: brand})
	want := fmt.Sprint(shape(f, bodyOf(f, page, d, "Accept", asHTML)))
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" {
			return
		}
		d, brand := everything(s)
		words := page.languages.wordings[0]
		p := &Pages{brand: brand.view(), builtin: page.builtin, report: func(err error) { t.Error(err) }}
		if got := fmt.Sprint(shape(t, string(p.render(d, words, words.Classes[ClassForbidden])))); got != want {
			t.Fatalf("%q: the page became %s", s, got)
		}
	})
}
