// Package pages writes the responses to denied requests, as a page, a problem document or
// plain text, and the sign-in pages. A response says what happened and what to do next. It
// reveals nothing about a policy, and not which part of a credential was wrong.
package pages

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/respheader"
)

// Denial is the content of the response to a denied request.
type Denial struct {
	// Status is 400 to 599; anything else is answered with 500.
	Status int
	// Reason is exact and never shown; its Class is.
	Reason authenticator.Reason
	// Message and Remediation are a policy's own words, plain text, or "".
	Message, Remediation string
	// Codes are a policy's own codes; the first sixteen are shown.
	Codes []string
	// Challenges stand in WWW-Authenticate; a 401 without one gets a fallback.
	Challenges []authenticator.Challenge
	// Script says that a page's script asked (IsScript): challenges that open a
	// browser's own dialog are left out if there is another way to authenticate.
	Script bool
	// Scopes, ACRValues and MaxAge (in seconds, negative for none) repeat what
	// the challenges ask for.
	Scopes, ACRValues []string
	MaxAge            int64
	// Identity is the caller; nil or anonymous if it is not known.
	Identity *authenticator.Identity
	// LoginURL is where to sign in: an https or http URL or a path on this site,
	// or "".
	LoginURL string
	// RequestID is the id that is also in the log, a UUID.
	RequestID string
	// RetryAfter is how long to wait, or 0.
	RetryAfter time.Duration
	// Unread are the places of credentials that the site does not read:
	// authorization, header, query.
	Unread []string
	// Headers are a policy's own headers.
	Headers http.Header
	// Body is a policy's own body, or nil; it is plain text unless Headers say
	// otherwise.
	Body *string

	// variesByMode says that navigations and scripts get different responses.
	variesByMode bool
}

const (
	// maxCodes bounds how many of a policy's codes are shown.
	maxCodes = 16
	// defaultRetry is when to come back after a 503 that does not say.
	defaultRetry = 5 * time.Second
)

// valid returns a denial that can be sent: with an error status, and with a challenge if it
// is a 401.
func (d Denial) valid() Denial {
	if d.Status < http.StatusBadRequest || d.Status > 599 {
		d.Status = http.StatusInternalServerError
	}
	d.Codes = d.Codes[:min(len(d.Codes), maxCodes)]
	scripted := d.challengesForScripts()
	d.variesByMode = d.LoginURL != "" || len(scripted) < len(d.Challenges)
	if d.Script {
		d.Challenges = scripted
	}
	d.Challenges = sendable(d.Challenges)
	if d.Status == http.StatusUnauthorized && len(d.Challenges) == 0 && !HasChallenge(d.Headers) {
		d.Challenges = []authenticator.Challenge{fallback}
	}
	return d
}

// Prepare sets the headers of a denial, also if another handler writes its body.
func (p *Pages) Prepare(h http.Header, d Denial) {
	set := newHeader(h)
	set.prepare(d.valid())
}

// header sets headers of one line each, which share one piece of memory.
type header struct {
	http.Header
	lines []string
}

// typicalLines is how many lines most denials have.
const typicalLines = 12

func newHeader(h http.Header) *header { return &header{h, make([]string, 0, typicalLines)} }

// set sets a header, whose name is in the form of http.CanonicalHeaderKey.
func (h *header) set(name string, lines ...string) {
	from := len(h.lines)
	h.lines = append(h.lines, lines...)
	h.Header[name] = slices.Clip(h.lines[from:])
}

func (h *header) prepare(d Denial) {
	setChallenges(h.Header, d.Challenges)
	for name, lines := range d.Headers {
		addPolicyHeader(h.Header, http.CanonicalHeaderKey(name), lines)
	}
	for _, name := range staleHeaders {
		delete(h.Header, name)
	}
	h.set("Cache-Control", "no-store")
	if d.RequestID != "" {
		h.set("X-Request-Id", d.RequestID)
	}
	if len(h.Header["Vary"]) == 0 {
		h.set("Vary", "Accept", "Accept-Language")
	} else {
		respheader.AddVary(h.Header, "Accept")
		respheader.AddVary(h.Header, "Accept-Language")
	}
	if d.variesByMode {
		varyByMode(h.Header)
	}
	if d.RetryAfter == 0 && d.Status == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
		d.RetryAfter = defaultRetry
	}
	if d.RetryAfter > 0 {
		seconds := int64((d.RetryAfter + time.Second - 1) / time.Second)
		h.set("Retry-After", strconv.FormatInt(seconds, 10))
	}
}

// staleHeaders are headers that speak of another answer than a refusal, or that
// would have a cache keep it (RFC 9111; RFC 9213 for the targeted ones), in the form of
// http.CanonicalHeaderKey.
var staleHeaders = []string{
	"Expires", "Etag", "Last-Modified", "Age", "Cdn-Cache-Control", "Surrogate-Control",
	"Content-Length", "Content-Encoding", "Content-Range", "Accept-Ranges", "Proxy-Authenticate", "Location",
}

// addPolicyHeader gives an answer a policy's header. Where a header is a list that others
// write to, it is added; what the site's cors block says stands.
func addPolicyHeader(h http.Header, name string, lines []string) {
	switch {
	case name == "Www-Authenticate":
		h[name] = append(slices.Clone(h[name]), slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return !challengePattern.MatchString(line) })...)
	case name == "Vary", name == "Set-Cookie":
		h[name] = append(slices.Clone(h[name]), lines...)
	case strings.HasPrefix(name, "Access-Control-") && len(h[name]) > 0:
	default:
		h[name] = slices.Clone(lines)
	}
}

// RedirectToSignIn redirects a browser navigation to a sign-in page with 303 (RFC 9110,
// section 15.4.4). Vary says that other requests get another response.
func RedirectToSignIn(w http.ResponseWriter, to string) {
	respheader.AddVary(w.Header(), "Accept")
	varyByMode(w.Header())
	Redirect(w, to, http.StatusSeeOther)
}

// Redirect redirects a client. Caches do not store the response.
func Redirect(w http.ResponseWriter, to string, status int) {
	for _, name := range staleHeaders {
		w.Header().Del(name)
	}
	w.Header().Set("Location", to)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
}

// bodyBuffers are buffers for bodies. A buffer whose body could not be sent is not reused,
// because HTTP/2 may still read it.
var bodyBuffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooledBody is the largest buffer that is reused, in bytes.
const maxPooledBody = 64 << 10

// Write answers a denied request. An error means that the connection broke after the status
// was sent.
func (p *Pages) Write(w http.ResponseWriter, r *http.Request, d Denial) error {
	d = d.valid()
	h := newHeader(w.Header())
	h.prepare(d)
	h.set("X-Content-Type-Options", "nosniff")
	room, _ := bodyBuffers.Get().(*[]byte)
	body := p.body((*room)[:0], h, r.Header, d)
	h.set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(d.Status)
	var err error
	if r.Method != http.MethodHead {
		_, err = w.Write(body)
	}
	if err == nil && cap(body) <= maxPooledBody {
		*room = body
		bodyBuffers.Put(room)
	}
	return err
}

// body appends the policy's own body, nothing, or a body in the format that the client
// prefers.
func (p *Pages) body(b []byte, h *header, asked http.Header, d Denial) []byte {
	switch {
	case d.Body != nil:
		if len(d.Headers["Content-Type"]) == 0 {
			h.set("Content-Type", string(typeText))
		}
		return append(b, *d.Body...)
	case p.bare:
		h.Del("Content-Type")
		return b
	}
	return p.negotiated(b, h, asked, d)
}

// negotiated renders a denial in the format that the client prefers.
func (p *Pages) negotiated(b []byte, h *header, asked http.Header, d Denial) []byte {
	words := p.languages.choose(asked["Accept-Language"])
	class := classOf(d.Reason, d.Status)
	say := words.Classes[class]
	kind := negotiate(asked)
	h.set("Content-Type", string(kind))
	h.set("Content-Language", words.tag)
	h.set("Referrer-Policy", "no-referrer")
	policy := "default-src 'none'; frame-ancestors 'none'"
	switch kind {
	case typeHTML:
		b, policy = p.appendPage(b, d, words, class)
		h.set("Cross-Origin-Opener-Policy", "same-origin")
	case typeText:
		b = append(b, plainText(d.escapeActions(), say)...)
	default:
		b = appendProblem(b, d, class, say)
	}
	h.set("Content-Security-Policy", policy)
	return b
}
