package pages

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"net/http"
)

// View is the data of a page's template, which escapes its texts.
type View struct {
	// Status is the status, such as 403; StatusText its phrase in English.
	Status     int
	StatusText string
	// Title, Summary and Advice say what happened and what to do, in Lang, which
	// is a language tag such as en.
	Title, Summary, Advice, Lang string
	// Message and Remediation are a policy's own words, or "".
	Message, Remediation string
	// Codes are a policy's own codes.
	Codes []string
	// User is the name to show of a caller who is known and was refused with 403,
	// or "". Identity is the same caller: use it within {{with .Identity}}, since
	// there is none on other pages.
	User     string
	Identity *Caller
	// LoginURL is where to sign in, or "".
	LoginURL template.URL
	// RequestID is the id that is also in the log.
	RequestID string
	// Brand has Name, Logo, Color, SupportURL, RequestAccessURL and HomeURL.
	Brand brandView
	// The labels, in Lang.
	SignIn, SignedInAs, RequestAccess, Support, Home, StatusLabel, CodeLabel, RequestLabel string
}

// Caller is the caller of a denied request. Each field but ID may be empty.
type Caller struct {
	ID, Username, Name string
}

// view returns the data for the page of a denial.
func (p *Pages) view(d Denial, words *wording, say sentence) View {
	view := View{
		Status: d.Status, StatusText: statusText(d.Status, say),
		Title: say.Title, Summary: say.Summary, Advice: say.Advice, Lang: words.tag,
		Message: d.Message, Remediation: d.Remediation, Codes: d.Codes, RequestID: d.RequestID, Brand: p.brand,
		LoginURL: template.URL(d.LoginURL), SignIn: words.Labels["sign_in"], //nolint:gosec // made by the login, not by a client
		SignedInAs: words.Labels["signed_in_as"], RequestAccess: words.Labels["request_access"], Support: words.Labels["support"],
		Home: words.Labels["home"], StatusLabel: words.Labels["status"], CodeLabel: words.Labels["code"], RequestLabel: words.Labels["request"],
	}
	if id := d.Identity; showsUser(d) {
		view.User = shownUser(d)
		view.Identity = &Caller{ID: id.ID, Username: id.Username, Name: id.Name}
	}
	return view
}

// sampleView is a view in which nothing is missing, to try templates with.
var sampleView = View{
	Status: http.StatusForbidden, StatusText: "Forbidden", Title: "-", Summary: "-", Advice: "-", Lang: "en",
	Message: "-", Remediation: "-", Codes: []string{"-"}, User: "-", Identity: &Caller{"-", "-", "-"}, RequestID: "-", LoginURL: "/", SignIn: "-",
	Brand:      brandView{Name: "-", Logo: "/", SupportURL: "/", RequestAccessURL: "/", HomeURL: "/", Color: defaultColor},
	SignedInAs: "-", RequestAccess: "-", Support: "-", Home: "-", StatusLabel: "-", CodeLabel: "-", RequestLabel: "-",
}

// render fills in the page for a refusal. A page that fails is replaced by the
// built-in one before a byte of it is sent (R-PAGE-12).
func (p *Pages) render(d Denial, words *wording, say sentence) []byte {
	view := p.view(d, words, say)
	page, err := execute(p.template(d.Status), view)
	if err == nil {
		return page
	}
	p.report(fmt.Errorf("error page: %w", err))
	if page, err = execute(p.builtin, view); err != nil {
		p.report(fmt.Errorf("built-in error page: %w", err))
	}
	return page
}

// maxPage bounds a page, in bytes.
const maxPage = 1 << 20

var errTooLarge = errors.New("the page is larger than 1 MiB")

// execute executes a template. It returns no half of a page.
func execute(page *template.Template, view any) ([]byte, error) {
	var b limitedBuffer
	if err := page.Execute(&b, view); err != nil {
		return nil, err
	}
	return b.buffer.Bytes(), nil
}

// limitedBuffer is a buffer that takes no more than maxPage bytes.
type limitedBuffer struct{ buffer bytes.Buffer }

// Write implements io.Writer.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.buffer.Len()+len(p) > maxPage {
		return 0, errTooLarge
	}
	return b.buffer.Write(p)
}
