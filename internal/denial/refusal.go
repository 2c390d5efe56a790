// Package denial is the answer to the refused: which status, which challenges,
// and a page, a problem document or a line of text that says what happened and
// what to do. It shows nothing of a policy's or a credential's inside.
package denial

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

// Refusal is what the refused are told.
type Refusal struct {
	// Status is 400 to 599.
	Status int
	// Reason is exact and never shown; its Class is.
	Reason identity.Reason
	// Message and Remediation are a policy's own words, plain text, or "".
	Message, Remediation string
	// Codes are a policy's own codes.
	Codes []string
	// Challenges stand in WWW-Authenticate; a 401 without one gets a fallback.
	Challenges []identity.Challenge
	// Scopes, ACRValues and MaxAge (in seconds, negative for none) repeat what
	// the challenges ask for.
	Scopes, ACRValues []string
	MaxAge            int64
	// Identity is the caller; nil or anonymous if nobody is known.
	Identity *identity.Identity
	// RequestID is the id that is also in the log.
	RequestID string
	// RetryAfter is how long to wait, or 0.
	RetryAfter time.Duration
	// Headers are a policy's own headers.
	Headers http.Header
	// Body is a policy's own body, or nil.
	Body *string
}

// fallback is the challenge of a 401 for which nobody gave one, since there
// must never be a 401 without (RFC 9110, section 15.5.2).
var fallback = identity.Challenge{Scheme: "Session", Params: []identity.Param{{Name: "realm", Value: "restricted"}}}

// defaultRetry is when to come back after a 503 that does not say.
const defaultRetry = 5 * time.Second

// Prepare sets the headers of a refusal, whoever writes its body.
func (p *Pages) Prepare(h http.Header, rf Refusal) {
	for name, lines := range rf.Headers {
		h[http.CanonicalHeaderKey(name)] = slices.Clone(lines)
	}
	challenges := rf.Challenges
	if rf.Status == http.StatusUnauthorized && len(challenges) == 0 {
		challenges = []identity.Challenge{fallback}
	}
	setChallenges(h, challenges)
	for _, name := range []string{"Expires", "ETag", "Last-Modified", "Content-Length", "Content-Encoding"} {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Request-Id", rf.RequestID)
	addVary(h, "Accept", "Accept-Language")
	if rf.RetryAfter == 0 && rf.Status == http.StatusServiceUnavailable {
		rf.RetryAfter = defaultRetry
	}
	if rf.RetryAfter > 0 {
		seconds := int64((rf.RetryAfter + time.Second - 1) / time.Second)
		h.Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
}

// addVary adds names to Vary that are not in it.
func addVary(h http.Header, names ...string) {
	for _, name := range names {
		if !slices.Contains(h["Vary"], name) {
			h["Vary"] = append(slices.Clone(h["Vary"]), name)
		}
	}
}

// Redirect sends the refused elsewhere, which nobody may store.
func Redirect(w http.ResponseWriter, to string, status int) {
	w.Header().Set("Location", to)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
}

// Write answers a refused request.
func (p *Pages) Write(w http.ResponseWriter, r *http.Request, rf Refusal) error {
	h := w.Header()
	p.Prepare(h, rf)
	var body []byte
	switch {
	case rf.Body != nil:
		body = []byte(*rf.Body)
		if h.Get("Content-Type") == "" {
			h.Set("Content-Type", string(typeText))
		}
	case !p.bare:
		body = p.body(h, r.Header, rf)
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(rf.Status)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(body)
	return err
}

// body renders a refusal as the client would have it.
func (p *Pages) body(h, asked http.Header, rf Refusal) []byte {
	words := p.languages.choose(asked.Get("Accept-Language"))
	class := classOf(rf.Reason, rf.Status)
	say := words.Classes[class]
	kind := negotiate(asked)
	h.Set("Content-Type", string(kind))
	h.Set("Content-Language", words.tag)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	switch kind {
	case typeHTML:
		page, policy := p.render(rf, words, say)
		h.Set("Content-Security-Policy", policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		return page
	case typeText:
		return []byte(line(rf, say))
	}
	document, err := problemOf(rf, class, say)
	if err != nil {
		p.report(err)
	}
	return document
}

// line is a refusal in one line of text.
func line(rf Refusal, say sentence) string {
	text := say.Summary
	if rf.Message != "" {
		text = rf.Message
	}
	return strconv.Itoa(rf.Status) + " " + http.StatusText(rf.Status) + ": " + oneLine(text) + " (" + rf.RequestID + ")\n"
}

// oneLine replaces control characters, which a message from a policy may hold.
func oneLine(s string) string {
	runes := []rune(s)
	for i, r := range runes {
		if r < 0x20 || r == 0x7f {
			runes[i] = ' '
		}
	}
	return string(runes)
}
