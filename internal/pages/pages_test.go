package pages

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/test/vectors"
)

// TestChoosePage: the most specific page of a directory is taken, or else ours.
func TestChoosePage(t *testing.T) {
	dir := directory(t, map[string]string{"403.html": "403", "4xx.html": "4xx", "500.html": "500", "notes.txt": "no page", ".hidden.html": "{{"})
	all := directory(t, map[string]string{"error.html": "any {{.Status}} {{.StatusText}}", "401.html": "401"})
	for _, test := range []struct {
		dir    string
		status int
		want   string
	}{
		{dir, 403, "403"},
		{dir, 401, "4xx"},
		{dir, 451, "4xx"},
		{dir, 500, "500"},
		{dir, 503, "<!doctype html>"},
		{all, 401, "401"},
		{all, 403, "any 403 Forbidden"},
		{all, 503, "any 503 Service Unavailable"},
	} {
		body := bodyOf(t, open(t, Config{Dir: test.dir}), refuse(test.status, "policy_denied"), "Accept", asHTML)
		if !strings.HasPrefix(body, test.want) {
			t.Errorf("%d: got %.40s, want %s", test.status, body, test.want)
		}
	}
}

// TestTemplateFields: each documented field, on a page where it is there.
func TestTemplateFields(t *testing.T) {
	template := "{{range $i, $c := .Codes}}{{$i}}={{$c}} {{end}}{{with .Identity}}[{{.ID}}|{{.Username}}|{{.Name}}]{{end}}"
	for _, name := range fieldNames() {
		if name != ".Codes" && name != ".Identity" && name != ".Brand" {
			template += " {{" + name + "}}"
		}
	}
	dir := directory(t, map[string]string{"error.html": template + " {{.Brand.Name}} {{.Brand.Color}} {{.Brand.HomeURL}}"})
	d := refuse(403, "policy_denied")
	d.Message, d.Remediation, d.Codes = "M", "R", []string{"a", "b"}
	d.Identity = &authenticator.Identity{Authenticated: true, ID: "u-1", Username: "alice", Name: "Alice"}
	p := open(t, Config{Dir: dir, Brand: Brand{Name: "B", Color: "#123", HomeURL: "/h"}})
	got := bodyOf(t, p, d, "Accept", asHTML)
	for _, want := range []string{"0=a 1=b [u-1|alice|Alice]", " 403 Forbidden No access ", " M R Alice ", requestID, " B #123 /h", "You are signed in as"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	anonymous := bodyOf(t, p, refuse(401, "credentials_missing"), "Accept", asHTML)
	if strings.Contains(anonymous, "[") {
		t.Errorf("somebody in %s", anonymous)
	}
}

// TestBadPages: R-PAGE-12, T-63: a page that could fail does not load, and the
// error names file and line.
func TestBadPages(t *testing.T) {
	tests := []struct {
		name, path, content string
		want                []string
	}{
		{"syntax", "403.html", "<p>\n<p>{{if}}", []string{"403.html:2: ", "missing value for if"}},
		{"no end", "403.html", "{{if .Message}}", []string{"403.html:1: unexpected EOF"}},
		{"unknown field", "error.html", "\n{{.Massage}}", []string{"error.html:2:", "Massage", "fields: .Status .StatusText .Title"}},
		{"unknown field of a brand", "error.html", "{{.Brand.Colour}}", []string{"error.html:1:", "Colour"}},
		{"unknown field where somebody is known", "error.html", "{{with .User}}{{$.Nope}}{{end}}", []string{"error.html:1:", "Nope"}},
		{"unknown field where nobody is known", "error.html", "{{if not .User}}{{.Nope}}{{end}}", []string{"error.html:1:", "Nope"}},
		{"nobody", "error.html", "{{.Identity.Name}}", []string{"error.html:1:", "write {{with .Identity}}"}},
		{"unknown function", "error.html", "{{env \"SECRET\"}}", []string{`error.html:1: function "env" not defined`}},
		{"another file", "error.html", "{{template \"../secret.html\"}}", []string{"error.html:1:", "../secret.html"}},
		{"markup that cannot be escaped", "error.html", "<a href='{{if .User}}x'{{else}}>{{end}}", []string{"error.html:1"}},
		{"a style's value", "error.html", "<script>var x = `{{.Message}}`</script>{{", []string{"error.html:1"}},
		{"too large", "error.html", "{{range 99}}{{range 99}}{{range 999}}xxxxxxxxx{{end}}{{end}}{{end}}", []string{"error.html: the page is larger than 1 MiB"}},
		{"another name", "index.html", "x", []string{"index.html: a page is called <status>.html"}},
		{"a status of success", "200.html", "x", []string{"200.html: a page is called"}},
		{"further down", "sub/403.html", "x", []string{"sub/403.html: pages stand in the directory itself"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := directory(t, map[string]string{test.path: test.content})
			p, err := New(Config{Dir: dir}, func(error) {})
			if err == nil {
				_ = p.Close()
				t.Fatal("it was taken")
			}
			for _, want := range append(test.want, filepath.Join(dir, test.path)) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
}

// TestNoPages: a directory that gives nothing is an error and not our page.
func TestNoPages(t *testing.T) {
	empty := t.TempDir()
	for name, test := range map[string]struct{ dir, want string }{
		"empty":   {empty, empty + ": there is no page"},
		"others":  {directory(t, map[string]string{"403.htm": "x", "README": "x"}), "there is no page"},
		"missing": {filepath.Join(empty, "none"), "no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			if p, err := New(Config{Dir: test.dir}, func(error) {}); err == nil || p != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestPageNames: R-PAGE-12: no name of a page leads out of its directory.
func TestPageNames(t *testing.T) {
	for _, name := range vectors.Lines(t, "payloadsallthethings", "directory-traversal") {
		if pageNamePattern.MatchString(name) {
			t.Errorf("%q is a page", name)
		}
		path := filepath.Join("pages", name, "403.html")
		if pages, err := parsePages("pages", files.Tree{path: []byte("x")}); err == nil && filepath.Dir(path) != "pages" {
			t.Errorf("%q is taken: %v", path, pages)
		}
	}
}

// TestFailingPage: R-PAGE-12: a page that fails while it is filled in is replaced
// by ours, with the same status, and the operator is told.
func TestFailingPage(t *testing.T) {
	dir := directory(t, map[string]string{"error.html": `half of it {{if eq .Status 401}}{{slice .Title 1000}}{{end}}`})
	var reported []error
	p, err := New(Config{Dir: dir}, func(err error) { reported = append(reported, err) })
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	got := ask(t, p, refuse(401, "credentials_missing"), "Accept", asHTML)
	body := bodyOf(t, p, refuse(401, "credentials_missing"), "Accept", asHTML)
	if got.StatusCode != 401 || !strings.HasPrefix(body, "<!doctype html>") || strings.Contains(body, "half of it") {
		t.Errorf("%d %s", got.StatusCode, body)
	}
	if len(reported) != 2 || !strings.Contains(reported[0].Error(), "error.html:1") {
		t.Errorf("reported %v", reported)
	}
	if body := bodyOf(t, p, refuse(403, "policy_denied"), "Accept", asHTML); body != "half of it " {
		t.Errorf("got %s", body)
	}
}

// TestLive: edits are taken while running; a bad one is reported, and the last
// good pages stay (T-07, T-61).
func TestLive(t *testing.T) {
	dir := directory(t, map[string]string{"error.html": "one"})
	var mutex sync.Mutex
	var reported []string
	p, err := New(Config{Dir: dir}, func(err error) {
		mutex.Lock()
		defer mutex.Unlock()
		reported = append(reported, err.Error())
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	body := func() string { return bodyOf(t, p, refuse(403, "policy_denied"), "Accept", asHTML) }
	if got := body(); got != "one" {
		t.Fatalf("got %s", got)
	}
	write(t, dir, "two")
	wait(t, "the edit", func() bool { return body() == "two" })
	write(t, dir, "three {{")
	wait(t, "the report", func() bool {
		mutex.Lock()
		defer mutex.Unlock()
		return len(reported) > 0
	})
	if got := body(); got != "two" {
		t.Errorf("a bad page was taken: %s", got)
	}
	write(t, dir, "four")
	wait(t, "the mended page", func() bool { return body() == "four" })
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if got := body(); got != "four" {
		t.Errorf("after Close: %s", got)
	}
}

func write(t testing.TB, dir, content string) {
	t.Helper()
	temporary := filepath.Join(dir, ".new")
	if err := os.WriteFile(temporary, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temporary, filepath.Join(dir, "error.html")); err != nil {
		t.Fatal(err)
	}
}

func wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come", what)
		}
	}
}

// TestClose: Close may be called twice, and without a directory.
func TestClose(t *testing.T) {
	for _, dir := range []string{"", directory(t, map[string]string{"error.html": "x"})} {
		p := open(t, Config{Dir: dir})
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
