package pages

import (
	"errors"
	"fmt"
	"html/template"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/policyauth/caddy-policy-auth/errorpages"
	"github.com/policyauth/caddy-policy-auth/internal/files"
)

// Config configures the pages of a site.
type Config struct {
	// Dir holds templates of the site's own, or is "". They are html/template
	// files over View, called <status>.html, 4xx.html, 5xx.html or error.html;
	// the first of these that is there is taken, or else the built-in page.
	Dir string
	// Brand is the name, logo and links of the site.
	Brand Brand
	// Bare sends no body.
	Bare bool
}

// Pages writes responses to denied requests. It is safe for concurrent use.
type Pages struct {
	brand     brandView
	bare      bool
	languages *languages
	builtin   *template.Template
	signIn    *template.Template
	// appPasswords is the page of app passwords.
	appPasswords *template.Template
	custom       *files.Watched[pageSet] // nil without a directory
	cache        pageCache
	report       func(error)
}

// pageSet holds the templates of a directory by file name.
type pageSet map[string]*template.Template

// New returns pages: the built-in one, and those of a directory, which are
// watched. A directory that is missing, that holds no page or a bad one is an
// error; later on the last good ones stay, and report is called with the error. Report may
// be called by several goroutines at once.
func New(config Config, report func(error)) (*Pages, error) {
	if err := config.Brand.Validate(); err != nil {
		return nil, fmt.Errorf("brand: %w", err)
	}
	p := &Pages{brand: config.Brand.view(), bare: config.Bare, report: report}
	var err error
	if p.languages, err = loadLanguages(); err != nil {
		return nil, err
	}
	if p.signIn, err = template.ParseFS(errorpages.FS, "signin.html", "frame.html"); err != nil {
		return nil, err
	}
	if p.appPasswords, err = template.ParseFS(errorpages.FS, "app_passwords.html", "frame.html"); err != nil {
		return nil, err
	}
	if p.builtin, err = template.ParseFS(errorpages.FS, "page.html", "frame.html"); err != nil || config.Dir == "" {
		return p, err
	}
	if err := p.open(config.Dir); err != nil {
		return nil, err
	}
	return p, nil
}

// open loads the pages of a directory and watches it.
func (p *Pages) open(dir string) error {
	options := files.Options{Paths: []string{dir}, Include: isPage, Warn: p.report}
	custom, err := files.Open(options, func(tree files.Tree) (*pageSet, error) { return parsePages(dir, tree) })
	if err != nil {
		return err
	}
	custom.Report(func(err error) {
		if err != nil {
			p.report(err)
		}
	})
	custom.Watch()
	p.custom = custom
	return nil
}

// isPage reports whether a file of a directory is one of its pages. Editors keep
// files of their own beside them, whose names begin with a dot.
func isPage(path string) bool {
	return filepath.Ext(path) == ".html" && !strings.HasPrefix(filepath.Base(path), ".")
}

// pageNamePattern is what the pages of a directory are called.
var pageNamePattern = regexp.MustCompile(`^([45][0-9][0-9]|[45]xx|error)\.html$`)

// parsePages parses the templates of a directory.
func parsePages(dir string, tree files.Tree) (*pageSet, error) {
	dir = files.Abs(dir)
	pages := pageSet{}
	for _, path := range tree.Paths() {
		content := string(tree[path])
		path = files.Abs(path)
		name := filepath.Base(path)
		if !pageNamePattern.MatchString(name) {
			return nil, fmt.Errorf("%s: a page is called <status>.html, 4xx.html, 5xx.html or error.html", path)
		}
		if filepath.Dir(path) != dir {
			return nil, fmt.Errorf("%s: pages stand in the directory itself, not further down", path)
		}
		page, err := parsePage(name, content)
		if err != nil {
			return nil, locate(path, err)
		}
		pages[name] = page
	}
	if len(pages) == 0 {
		return nil, fmt.Errorf("%s: there is no page: write error.html, or leave the directory out for the built-in page", dir)
	}
	return &pages, nil
}

// parsePage parses a template and tries it: a field that does not exist shows
// only when a page is filled in, where all is there or where next to nothing is.
func parsePage(name, content string) (*template.Template, error) {
	page, err := template.New(name).Option("missingkey=error").Parse(content)
	if err != nil {
		return nil, err
	}
	for _, view := range []View{sampleView, {}} {
		if _, err := execute(page, view); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// errorPrefixPattern is how the template packages begin an error.
var errorPrefixPattern = regexp.MustCompile(`^(?:html/)?template: ?[^:]*`)

// locate puts a page's path into a template's error, and what would do.
func locate(path string, err error) error {
	text := errorPrefixPattern.ReplaceAllLiteralString(err.Error(), "")
	switch {
	case strings.Contains(text, "nil pointer evaluating *pages.Caller"):
		text += "; most pages have no identity, write {{with .Identity}}"
	case strings.Contains(text, "can't evaluate field") && strings.Contains(text, "pages.View"):
		text += "; fields: " + strings.Join(fieldNames(), " ")
	}
	if !strings.HasPrefix(text, ":") {
		text = ": " + text
	}
	return errors.New(path + text)
}

// fieldNames returns what a template may show.
func fieldNames() []string {
	var names []string
	for field := range reflect.TypeFor[View]().Fields() {
		names = append(names, "."+field.Name)
	}
	return names
}

// Close stops watching. It may be called more than once.
func (p *Pages) Close() error {
	if p.custom == nil {
		return nil
	}
	return p.custom.Close()
}

// Reload reads the pages of a directory now.
func (p *Pages) Reload() error {
	if p.custom == nil {
		return nil
	}
	return p.custom.Reload()
}

// template returns the most specific page for a status.
func (p *Pages) template(status int) *template.Template {
	if p.custom != nil {
		code := strconv.Itoa(status)
		for _, name := range []string{code + ".html", code[:1] + "xx.html", "error.html"} {
			if page := (*p.custom.Load())[name]; page != nil {
				return page
			}
		}
	}
	return p.builtin
}
