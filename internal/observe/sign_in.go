package observe

import (
	"cmp"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// SignIn is the result of an attempt to sign in or out.
type SignIn struct {
	// Message is signed in, sign-in refused or signed out.
	Message string
	// Login is the method's name.
	Login string
	// Refused says that it failed, with a Status and a Reason.
	Refused bool
	Status  int
	Reason  authenticator.Reason
	// Cause stands in the log instead of the Reason, if it is set.
	Cause authenticator.Cause
	// Identity is who it was, or nil.
	Identity *authenticator.Identity
	// Candidate is the known user who was refused.
	Candidate string
	// Details are for the log alone.
	Details []authenticator.Detail
	// Err is what went wrong inside.
	Err error
	// RequestID, Host and ClientIP are the request's.
	RequestID, Host, ClientIP string
}

// LogSignIn writes one line at info (R-LOG-1), or at error if an operator has to look
// into it, and counts it.
func LogSignIn(logger *zap.Logger, s SignIn) {
	sessions.WithLabelValues(labels.Replace(s.Message), string(s.Reason)).Inc()
	level := zapcore.InfoLevel
	if s.Err != nil && s.Status >= 500 {
		level = zapcore.ErrorLevel
	}
	if entry := logger.Check(level, s.Message); entry != nil {
		entry.Write(s.fields()...)
	}
}

// fields returns the line; what is empty is left out.
func (s SignIn) fields() []zap.Field {
	fields := []zap.Field{zap.String("request_id", s.RequestID)}
	text := func(name, value string) {
		if value != "" {
			fields = append(fields, zap.String(name, clean(value)))
		}
	}
	text("login", s.Login)
	text("host", s.Host)
	text("client_ip", s.ClientIP)
	text("reason", cmp.Or(string(s.Cause), string(s.Reason)))
	if s.Status != 0 {
		fields = append(fields, zap.Int("status", s.Status))
	}
	if s.Identity != nil {
		text("user_id", s.Identity.ID)
		text("issuer", s.Identity.Issuer)
	}
	text("candidate", s.Candidate)
	for _, detail := range s.Details {
		text(detail.Name, detail.Value)
	}
	if s.Err != nil {
		text("error", s.Err.Error())
	}
	return fields
}

// labels makes a message the value of a label.
var labels = strings.NewReplacer(" ", "_", "-", "_")
