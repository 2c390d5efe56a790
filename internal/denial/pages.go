package denial

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/policyauth/caddy-policy-auth/errorpages"
	"github.com/policyauth/caddy-policy-auth/internal/files"
)

// Config says what the refused see.
type Config struct {
	// Dir holds templates of the site's own, or is "".
	Dir string
	// Brand says whose site it is.
	Brand Brand
	// Bare sends no body.
	Bare bool
}

// Pages writes refusals. It is safe for concurrent use.
type Pages struct {
	brand     brandView
	bare      bool
	languages *languages
	builtin   *template.Template
	custom    *files.Live[pageSet] // nil without a directory
	report    func(error)
}

// pageSet holds the templates of a directory by file name.
type pageSet map[string]*template.Template

// View is what a template shows. Its texts are escaped for where they stand.
type View struct {
	// Status is the status, such as 403; StatusText its phrase in English.
	Status     int
	StatusText string
	// Title, Summary and Advice say what happened and what to do, in Lang.
	Title, Summary, Advice, Lang string
	// Message and Remediation are a policy's own words, or "".
	Message, Remediation string
	// User is the name to show of a caller who is known and was refused, or "".
	User string
	// RequestID is the id that is also in the log.
	RequestID string
	// Brand has Name, Logo, Color, SupportURL, RequestAccessURL and HomeURL.
	Brand brandView
	// The labels, in Lang.
	SignedInAs, RequestAccess, Support, Home, StatusLabel, RequestLabel string
}

// New returns pages: the built-in one, and those of a directory, which are
// watched. A directory that is missing, that holds no page or a bad one is an
// error; later on the last good ones stay, and report is told why.
func New(config Config, report func(error)) (*Pages, error) {
	if err := config.Brand.Validate(); err != nil {
		return nil, fmt.Errorf("brand: %w", err)
	}
	p := &Pages{brand: config.Brand.view(), bare: config.Bare, report: report}
	var err error
	if p.languages, err = loadLanguages(); err != nil {
		return nil, err
	}
	if p.builtin, err = template.ParseFS(errorpages.FS, "page.html"); err != nil || config.Dir == "" {
		return p, err
	}
	options := files.Options{Paths: []string{config.Dir}, Keep: func(path string) bool { return filepath.Ext(path) == ".html" }}
	if p.custom, err = files.Open(options, parsePages); err != nil {
		return nil, err
	}
	p.custom.Report(func(err error) {
		if err != nil {
			report(err)
		}
	})
	p.custom.Watch()
	return p, nil
}

// pageForm is what the pages of a directory are called.
var pageForm = regexp.MustCompile(`^([45][0-9][0-9]|[45]xx|error)\.html$`)

// parsePages parses the templates of a directory.
func parsePages(tree files.Tree) (*pageSet, error) {
	pages := pageSet{}
	for _, path := range tree.Paths() {
		name := filepath.Base(path)
		if !pageForm.MatchString(name) {
			return nil, fmt.Errorf("%s: a page is called <status>.html, 4xx.html, 5xx.html or error.html", path)
		}
		page, err := template.New(name).Option("missingkey=error").Parse(string(tree[path]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		// a field that does not exist shows only when the page is filled in
		if err := page.Execute(new(bytes.Buffer), View{}); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		pages[name] = page
	}
	if len(pages) == 0 {
		return nil, errors.New("there is no page: write error.html, or leave the directory out for the built-in page")
	}
	return &pages, nil
}

// Close stops watching. It may be called more than once.
func (p *Pages) Close() error {
	if p.custom == nil {
		return nil
	}
	return p.custom.Close()
}

// choose returns the most specific page for a status.
func (p *Pages) choose(status int) *template.Template {
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

// render fills in the page for a refusal and says which styles it may use. A
// page that fails is replaced by the built-in one.
func (p *Pages) render(rf Refusal, words *wording, say sentence) (page []byte, policy string) {
	view := p.view(rf, words, say)
	var buffer bytes.Buffer
	if err := p.choose(rf.Status).Execute(&buffer, view); err != nil {
		p.report(fmt.Errorf("error page: %w", err))
		buffer.Reset()
		if err := p.builtin.Execute(&buffer, view); err != nil {
			p.report(fmt.Errorf("built-in error page: %w", err))
		}
	}
	return buffer.Bytes(), contentPolicy(buffer.Bytes())
}

func (p *Pages) view(rf Refusal, words *wording, say sentence) View {
	view := View{
		Status: rf.Status, StatusText: http.StatusText(rf.Status),
		Title: say.Title, Summary: say.Summary, Advice: say.Advice, Lang: words.tag,
		Message: rf.Message, Remediation: rf.Remediation, RequestID: rf.RequestID, Brand: p.brand,
		SignedInAs: words.Labels["signed_in_as"], RequestAccess: words.Labels["request_access"], Support: words.Labels["support"],
		Home: words.Labels["home"], StatusLabel: words.Labels["status"], RequestLabel: words.Labels["request"],
	}
	if id := rf.Identity; id != nil && id.Authenticated && rf.Status == http.StatusForbidden {
		view.User = firstOf(id.Name, id.Username, id.ID)
	}
	return view
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

var styleForm = regexp.MustCompile(`(?is)<style[^>]*>(.*?)</style>`)

// contentPolicy returns the Content-Security-Policy of a page: its own styles,
// by hash, images of this site, and nothing else.
func contentPolicy(page []byte) string {
	styles := []string{}
	for _, match := range styleForm.FindAllSubmatch(page, -1) {
		digest := sha256.Sum256(match[1])
		styles = append(styles, "'sha256-"+base64.StdEncoding.EncodeToString(digest[:])+"'")
	}
	if len(styles) == 0 {
		styles = []string{"'none'"}
	}
	return "default-src 'none'; style-src " + strings.Join(styles, " ") +
		"; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}
