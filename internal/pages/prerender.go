package pages

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// pageKey is what the built-in page depends on beside the texts of one request: pages of
// one key differ in those alone.
type pageKey struct {
	status                                int
	class                                 Class
	words                                 *wording
	codes                                 int
	message, remediation, user, requestID bool
}

// prerendered is a page with holes for the texts of a request.
type prerendered struct {
	// before stand before each hole, and after after the last.
	before        []string
	slots         []slot
	after         string
	contentPolicy string // its Content-Security-Policy
}

// slot says which of a request's texts fills it: a code by its index, or one of the
// others.
type slot int

const (
	slotMessage slot = -1 - iota
	slotRemediation
	slotUser
	slotRequestID
)

// maxPrerendered bounds how many forms are kept. A site's policies have few codes and
// statuses; what goes beyond is rendered each time.
const maxPrerendered = 128

// pageCache are those of the built-in page. A form that is nil says that pages of its key
// are not to be filled in.
type pageCache struct {
	mu    sync.RWMutex
	pages map[pageKey]*prerendered
}

// appendPage appends the page of a refusal and returns its Content-Security-Policy.
func (p *Pages) appendPage(b []byte, d Denial, words *wording, class Class) (page []byte, policy string) {
	if f := p.prerendered(d, words, class); f != nil {
		if filled := f.fill(b, d); len(filled)-len(b) <= maxPage {
			return filled, f.contentPolicy
		}
	}
	rendered := p.render(d.escapeActions(), words, words.Classes[class])
	return append(b, rendered...), contentPolicy(rendered)
}

// prerendered returns the form of a refusal's page, or nil if there is none: a page of the
// site's own may do with the texts what it likes, and an address is escaped otherwise
// than a text.
func (p *Pages) prerendered(d Denial, words *wording, class Class) *prerendered {
	if d.LoginURL != "" || p.template(d.Status) != p.builtin {
		return nil
	}
	s := pageKey{
		status: d.Status, class: class, words: words, codes: len(d.Codes),
		message: d.Message != "", remediation: d.Remediation != "", user: shownUser(d) != "", requestID: d.RequestID != "",
	}
	p.cache.mu.RLock()
	f, known := p.cache.pages[s]
	full := len(p.cache.pages) >= maxPrerendered
	p.cache.mu.RUnlock()
	if known || full {
		return f
	}
	f = p.prerender(d, words, words.Classes[class])
	p.cache.mu.Lock()
	defer p.cache.mu.Unlock()
	if p.cache.pages == nil {
		p.cache.pages = map[pageKey]*prerendered{}
	}
	p.cache.pages[s] = f
	return f
}

// shownUser returns the name to show of a caller who is known and was refused with 403,
// or "".
func shownUser(d Denial) string {
	if !showsUser(d) {
		return ""
	}
	return firstNonEmpty(d.Identity.Name, d.Identity.Username, d.Identity.ID)
}

func showsUser(d Denial) bool {
	return d.Identity != nil && d.Identity.Authenticated && d.Status == http.StatusForbidden
}

// text returns what fills a hole.
func (h slot) text(d Denial) string {
	switch h {
	case slotMessage:
		return d.Message
	case slotRemediation:
		return d.Remediation
	case slotUser:
		return shownUser(d)
	case slotRequestID:
		return d.RequestID
	}
	return d.Codes[h]
}

// escapeText writes what html/template writes for a text between tags.
var escapeText = strings.NewReplacer("\x00", "\uFFFD", `"`, "&#34;", "&", "&amp;", "'", "&#39;", "+", "&#43;", "<", "&lt;", ">", "&gt;")

// fill appends the page with a refusal's texts in its holes.
func (f *prerendered) fill(b []byte, d Denial) []byte {
	for i, hole := range f.slots {
		b = append(b, f.before[i]...)
		b = append(b, escapeText.Replace(escapeActions(hole.text(d)))...)
	}
	return append(b, f.after...)
}

// prerender renders the page of a refusal with marks for its texts. It returns nil unless
// html/template agrees on a page whose texts are of all that it escapes: then a hole
// stands where text does.
func (p *Pages) prerender(d Denial, words *wording, say sentence) *prerendered {
	marked, marks := withTexts(d, func(name string) string { return "hole9f3c" + name + "hole" })
	page, err := execute(p.builtin, p.view(marked, words, say))
	if err != nil {
		return nil
	}
	f := &prerendered{contentPolicy: contentPolicy(page)}
	rest := string(page)
	for rest != "" {
		at, next := len(rest), slot(0)
		for h, mark := range marks {
			if i := strings.Index(rest, mark); i >= 0 && i < at {
				at, next = i, h
			}
		}
		if at == len(rest) {
			break
		}
		f.before, f.slots = append(f.before, rest[:at]), append(f.slots, next)
		rest = rest[at+len(marks[next]):]
	}
	f.after = rest
	probe, _ := withTexts(d, func(name string) string {
		return name + "\x00\t\n\"#$%&'()*+,-./:;<=>?@[\\]^`{|}~\x7f\xff\u00e9\u2028<!--</p><script>"
	})
	if page, err = execute(p.builtin, p.view(probe.escapeActions(), words, say)); err != nil || string(page) != string(f.fill(nil, probe)) {
		return nil
	}
	return f
}

// withTexts returns a refusal of the same shape with other texts, and the text for each
// hole.
func withTexts(d Denial, text func(name string) string) (Denial, map[slot]string) {
	texts := map[slot]string{}
	put := func(to *string, h slot, name string) {
		if *to != "" {
			*to = text(name)
			texts[h] = *to
		}
	}
	put(&d.Message, slotMessage, "message")
	put(&d.Remediation, slotRemediation, "remediation")
	put(&d.RequestID, slotRequestID, "id")
	d.Codes = slices.Clone(d.Codes)
	for i := range d.Codes {
		d.Codes[i] = text("code" + strconv.Itoa(i) + "x")
		texts[slot(i)] = d.Codes[i]
	}
	if user := shownUser(d); user != "" {
		put(&user, slotUser, "user")
		d.Identity = &authenticator.Identity{Authenticated: true, ID: user, Username: user, Name: user}
	}
	return d, texts
}
