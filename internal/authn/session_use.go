package authn

import "context"

// SessionUse says how a request uses its session, and what the session has for it.
type SessionUse struct {
	// Passive requests do not count as activity of the session.
	Passive bool
	// Upstream asks for the token of the session for the next handler. Token is that
	// token, or "". It is never logged.
	Upstream bool
	Token    string
}

// sessionUseKey is the key of a request's SessionUse.
type sessionUseKey struct{}

// In returns a context in which the session method finds the use.
func (u *SessionUse) In(ctx context.Context) context.Context {
	return context.WithValue(ctx, sessionUseKey{}, u)
}

// useOf returns the use of a context's session, or nil.
func useOf(ctx context.Context) *SessionUse {
	use, _ := ctx.Value(sessionUseKey{}).(*SessionUse)
	return use
}
