package pages

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// formKey is what the built-in page depends on beside the texts of one request: pages of
// one key differ in those alone.
type formKey struct {
	status                                int
	class                                 Class
	words                                 *wording
	codes                                 int
	message, remediation, user, requestID bool
}

// form is a page with holes for the texts of a request.
type form struct {
	// before stand before each hole, and after after the last.
	before []string
	holes  []hole
	after  string
	policy string // its Content-Security-Policy
}

// hole says which of a request's texts fills it: a code by its index, or one of the
// others.
type hole int

const (
	holeMessage hole = -1 - iota
	holeRemediation
	holeUser
	holeRequestID
)

// maxForms bounds how many forms are kept. A site's policies have few codes and
// statuses; what goes beyond is rendered each time.
const maxForms = 128

// forms are those of the built-in page. A form that is nil says that pages of its key
// are not to be filled in.
type forms struct {
	mu   sync.RWMutex
	kept map[formKey]*form
}

// appendPage appends the page of a refusal and returns its Content-Security-Policy.
func (p *Pages) appendPage(b []byte, rf Refusal, words *wording, class Class) (page []byte, policy string) {
	if f := p.form(rf, words, class); f != nil {
		if filled := f.fill(b, rf); len(filled)-len(b) <= maxPage {
			return filled, f.policy
		}
	}
	rendered := p.render(rf.inert(), words, words.Classes[class])
	return append(b, rendered...), contentPolicy(rendered)
}

// form returns the form of a refusal's page, or nil if there is none: a page of the
// site's own may do with the texts what it likes, and an address is escaped otherwise
// than a text.
func (p *Pages) form(rf Refusal, words *wording, class Class) *form {
	if rf.LoginURL != "" || p.choose(rf.Status) != p.builtin {
		return nil
	}
	s := formKey{
		status: rf.Status, class: class, words: words, codes: len(rf.Codes),
		message: rf.Message != "", remediation: rf.Remediation != "", user: userOf(rf) != "", requestID: rf.RequestID != "",
	}
	p.forms.mu.RLock()
	f, known := p.forms.kept[s]
	full := len(p.forms.kept) >= maxForms
	p.forms.mu.RUnlock()
	if known || full {
		return f
	}
	f = p.newForm(rf, words, words.Classes[class])
	p.forms.mu.Lock()
	defer p.forms.mu.Unlock()
	if p.forms.kept == nil {
		p.forms.kept = map[formKey]*form{}
	}
	p.forms.kept[s] = f
	return f
}

// userOf returns the name to show of a caller who is known and was refused with 403,
// or "".
func userOf(rf Refusal) string {
	if !showsUser(rf) {
		return ""
	}
	return firstOf(rf.Identity.Name, rf.Identity.Username, rf.Identity.ID)
}

func showsUser(rf Refusal) bool {
	return rf.Identity != nil && rf.Identity.Authenticated && rf.Status == http.StatusForbidden
}

// text returns what fills a hole.
func (h hole) text(rf Refusal) string {
	switch h {
	case holeMessage:
		return rf.Message
	case holeRemediation:
		return rf.Remediation
	case holeUser:
		return userOf(rf)
	case holeRequestID:
		return rf.RequestID
	}
	return rf.Codes[h]
}

// escapeText writes what html/template writes for a text between tags.
var escapeText = strings.NewReplacer("\x00", "\uFFFD", `"`, "&#34;", "&", "&amp;", "'", "&#39;", "+", "&#43;", "<", "&lt;", ">", "&gt;")

// fill appends the page with a refusal's texts in its holes.
func (f *form) fill(b []byte, rf Refusal) []byte {
	for i, hole := range f.holes {
		b = append(b, f.before[i]...)
		b = append(b, escapeText.Replace(inert(hole.text(rf)))...)
	}
	return append(b, f.after...)
}

// newForm renders the page of a refusal with marks for its texts. It returns nil unless
// html/template agrees on a page whose texts are of all that it escapes: then a hole
// stands where text does.
func (p *Pages) newForm(rf Refusal, words *wording, say sentence) *form {
	marked, marks := withTexts(rf, func(name string) string { return "hole9f3c" + name + "hole" })
	page, err := fill(p.builtin, p.view(marked, words, say))
	if err != nil {
		return nil
	}
	f := &form{policy: contentPolicy(page)}
	rest := string(page)
	for rest != "" {
		at, next := len(rest), hole(0)
		for h, mark := range marks {
			if i := strings.Index(rest, mark); i >= 0 && i < at {
				at, next = i, h
			}
		}
		if at == len(rest) {
			break
		}
		f.before, f.holes = append(f.before, rest[:at]), append(f.holes, next)
		rest = rest[at+len(marks[next]):]
	}
	f.after = rest
	probe, _ := withTexts(rf, func(name string) string {
		return name + "\x00\t\n\"#$%&'()*+,-./:;<=>?@[\\]^`{|}~\x7f\xff\u00e9\u2028<!--</p><script>"
	})
	if page, err = fill(p.builtin, p.view(probe.inert(), words, say)); err != nil || string(page) != string(f.fill(nil, probe)) {
		return nil
	}
	return f
}

// withTexts returns a refusal of the same shape with other texts, and the text for each
// hole.
func withTexts(rf Refusal, text func(name string) string) (Refusal, map[hole]string) {
	texts := map[hole]string{}
	put := func(to *string, h hole, name string) {
		if *to != "" {
			*to = text(name)
			texts[h] = *to
		}
	}
	put(&rf.Message, holeMessage, "message")
	put(&rf.Remediation, holeRemediation, "remediation")
	put(&rf.RequestID, holeRequestID, "id")
	rf.Codes = slices.Clone(rf.Codes)
	for i := range rf.Codes {
		rf.Codes[i] = text("code" + strconv.Itoa(i) + "x")
		texts[hole(i)] = rf.Codes[i]
	}
	if user := userOf(rf); user != "" {
		put(&user, holeUser, "user")
		rf.Identity = &authenticator.Identity{Authenticated: true, ID: user, Username: user, Name: user}
	}
	return rf, texts
}
