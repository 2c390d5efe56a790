// Package observe has the log lines of denied requests and sign-ins, the fields of the
// access log, placeholders and metrics. None of them contains a credential.
package observe

import (
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Event is one decision about one request.
type Event struct {
	// RequestID returns the request ID, which the error page also shows.
	RequestID func() string
	// Allowed says whether the next handler runs.
	Allowed bool
	// Status is the status of a denied request, or 0.
	Status int
	// Reason is the exact reason of a denial.
	Reason authenticator.Reason
	// Codes are the policy's own codes.
	Codes []string
	// Outcome is the result of authentication.
	Outcome authenticator.Outcome
	// Identity is the caller, anonymous or not.
	Identity *authenticator.Identity
	// Labels are the policy's labels, such as the rule that decided.
	Labels map[string]string
	// Vars are the policy's values for placeholders, a JSON object or nil.
	Vars map[string]any
	// Revision is the policies' revision.
	Revision string
	// Hint is advice for the operator, or "".
	Hint string
	// Admin is the flag with which commands reach the admin API, or "".
	Admin string
	// Err is an internal error, for the log only.
	Err error
	// HTTPMethod, Host, Path and ClientIP are the request's; Path has no query.
	HTTPMethod, Host, Path, ClientIP string
	// Elapsed is how long evaluating policies took; 0 if the decision was cached.
	Elapsed time.Duration
	// Cached is hit, miss, or "" if the decision cannot be cached.
	Cached string
}

// decisionWord returns the word for logs, metrics and placeholders.
func decisionWord(allowed bool) string {
	if allowed {
		return "allow"
	}
	return "deny"
}

// logged returns the reason as logs show it: the cause, as long as the reason is
// still the one that it is a cause of.
func (e *Event) logged() string {
	if e.Outcome.Cause != "" && e.Reason == e.Outcome.Reason {
		return string(e.Outcome.Cause)
	}
	return string(e.Reason)
}

// Log writes one line: a denial at info, a denial that needs the operator's attention at
// error, an allowed request at debug.
func Log(logger *zap.Logger, e *Event) {
	level, message := zapcore.InfoLevel, "request refused"
	switch {
	case e.Allowed:
		level, message = zapcore.DebugLevel, "request allowed"
	case e.Err != nil && e.Status >= 500:
		level = zapcore.ErrorLevel
	}
	if entry := logger.Check(level, message); entry != nil {
		entry.Write(e.fields()...)
	}
}

// usualFields is how many fields a line has at most beside details and labels.
const usualFields = 19

// fields returns the event for a line of the log; what is empty is left out.
func (e *Event) fields() []zap.Field {
	id := e.RequestID()
	fields := make([]zap.Field, 0, usualFields+len(e.Outcome.Details)+len(e.Labels))
	fields = append(fields,
		zap.String("request_id", id),
		zap.String("decision", decisionWord(e.Allowed)),
		zap.String("http_method", clean(e.HTTPMethod)),
		zap.String("host", clean(e.Host)),
		zap.String("path", clean(e.Path)),
		zap.String("client_ip", e.ClientIP),
	)
	text := func(name, value string) {
		if value != "" {
			fields = append(fields, zap.String(name, clean(value)))
		}
	}
	text("reason", e.logged())
	text("codes", strings.Join(e.Codes, " "))
	if e.Status != 0 {
		fields = append(fields, zap.Int("status", e.Status))
	}
	text("method", e.Outcome.Method)
	text("user_id", e.Identity.ID)
	text("issuer", e.Identity.Issuer)
	text("key_id", e.keyID())
	text("candidate", e.Outcome.Candidate)
	for _, detail := range e.Outcome.Details {
		text(detail.Name, detail.Value)
	}
	for name, value := range e.Labels {
		text(name, value)
	}
	text("revision", e.Revision)
	text("hint", e.Hint)
	if !e.Allowed {
		text("explain", "caddy policy-auth explain "+id+e.Admin)
	}
	fields = append(fields, zap.Duration("evaluation", e.Elapsed))
	if e.Err != nil {
		fields = append(fields, zap.String("error", clean(e.Err.Error())))
	}
	return fields
}

// keyID returns the ID of the API key or the app password that was accepted, or "".
func (e *Event) keyID() string {
	if e.Outcome.Verdict != authenticator.Accepted || e.Outcome.Method != "api_key" && e.Outcome.Method != "app_password" {
		return ""
	}
	id, _ := e.Identity.Claims["key_id"].(string)
	return id
}

// clean makes untrusted text safe for a terminal: it replaces control characters by U+FFFD
// and truncates the text to 256 runes (R-LOG-2).
func clean(s string) string {
	if isPlain(s) {
		return s
	}
	count := 0
	return strings.Map(func(r rune) rune {
		count++
		switch {
		case count > 256:
			return -1
		case r < 0x20, r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return '\uFFFD'
		}
		return r
	}, s)
}

// isPlain reports whether a text is short and of printable ASCII alone, as most are.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return false
		}
	}
	return len(s) <= 256
}
