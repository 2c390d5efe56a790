package login

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/apppassword"
	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/session"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// BackchannelPath is the prefix of the back-channel logout endpoints. A method's
// name follows it (OpenID Connect Back-Channel Logout 1.0, section 2.5).
const BackchannelPath = PathPrefix + "backchannel_logout/"

const (
	// maxLogoutTokens is how many logout tokens a client may send within
	// logoutTokenWindow.
	maxLogoutTokens   = 600
	logoutTokenWindow = time.Minute
	// replayWindow is how long the ID of a logout token is stored to detect replays.
	// Tokens expire earlier.
	replayWindow = 24 * time.Hour
)

// BackchannelHandler is a Method whose provider sends logout tokens.
type BackchannelHandler interface {
	// BackchannelLogout answers requests to BackchannelPath followed by the method's
	// name, with any HTTP method. The logout token authenticates the request: no
	// session and no Origin header is checked (R-LO-4).
	BackchannelLogout(v *Request)
}

// BackchannelLogout implements BackchannelHandler. It accepts a POST of a form with
// a logout_token.
func (o *OIDC) BackchannelLogout(v *Request) {
	h := v.W.Header()
	h.Set("Cache-Control", "no-store")
	if v.R.Method != http.MethodPost {
		h.Set("Allow", http.MethodPost)
		o.writeLogoutResponse(v, http.StatusMethodNotAllowed, "")
		return
	}
	raw, err := o.readLogoutToken(v)
	if err != nil {
		o.rejectLogout(v, err)
		return
	}
	logout, err := o.Provider.LogoutToken(v.R.Context(), raw)
	if err == nil {
		err = o.endSessionsOnce(v, logout)
	}
	if err != nil {
		o.rejectLogout(v, err)
		return
	}
	o.writeLogoutResponse(v, http.StatusOK, "")
}

// errNotLogoutRequest is the error of a request body that is not a form with one
// logout_token.
var errNotLogoutRequest = errors.New("want a form with one logout_token")

// readLogoutToken returns the logout_token of a request. It limits the rate of
// requests first.
func (o *OIDC) readLogoutToken(v *Request) (string, error) {
	sent, err := v.Sessions.Registry().Store().Count(v.R.Context(), counterKey("logout-notices", v.Client), logoutTokenWindow)
	if err != nil {
		return "", err
	}
	if sent > maxLogoutTokens {
		return "", ErrTooMany
	}
	kind, _, _ := mime.ParseMediaType(v.R.Header.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" || v.readForm() != nil || !hasOne(v.R.PostForm, "logout_token") {
		return "", errNotLogoutRequest
	}
	return v.R.PostForm.Get("logout_token"), nil
}

// errReplay is the error of a logout token that was used before.
var errReplay = errors.New("the logout token was used before")

// endSessionsOnce ends the sessions that a logout token names, unless the token was
// used before (R-LO-3). If ending them fails, the token does not count as used, so
// that the provider can send it again.
func (o *OIDC) endSessionsOnce(v *Request, logout *oidc.LogoutToken) error {
	in, key := v.Sessions.Registry().Store(), "logout-token/"+digest(logout.ID, o.ID())
	first, err := in.PutNew(v.R.Context(), key, store.Item{Lifetime: replayWindow})
	switch {
	case err != nil:
		return err
	case !first:
		return errReplay
	}
	if err = o.endSessions(v, logout); err != nil {
		return errors.Join(err, in.Delete(context.WithoutCancel(v.R.Context()), key))
	}
	return nil
}

// endSessions ends the sessions that a logout token names, on every site with this
// login (R-LO-5): those of the provider's session, or all of the user, with the app
// passwords, if the token names no session.
func (o *OIDC) endSessions(v *Request, logout *oidc.LogoutToken) error {
	ctx, registry := v.R.Context(), v.Sessions.Registry()
	if logout.SessionID == "" { // all that the user has, and not one session
		if _, err := apppassword.EndPerson(ctx, registry.Store(), o.person(logout.Subject)); err != nil {
			return err
		}
	}
	var found []*session.Session
	for _, name := range []struct {
		text string
		list func() ([]*session.Session, error)
	}{
		{logout.SessionID, func() ([]*session.Session, error) {
			return registry.ListBySID(ctx, o.Provider.Issuer(), logout.SessionID)
		}},
		{logout.Subject, func() ([]*session.Session, error) {
			return registry.ListByPerson(ctx, o.person(logout.Subject))
		}},
	} {
		if name.text == "" {
			continue
		}
		listed, err := name.list()
		if err != nil {
			return err
		}
		found = append(found, listed...)
	}
	ended := map[string]*session.Session{}
	for _, s := range found {
		if s.Person.Login == o.ID() && meansSession(s, logout) {
			ended[s.ID] = s
		}
	}
	if err := registry.End(ctx, slices.Collect(maps.Keys(ended))...); err != nil {
		return err
	}
	for _, s := range ended {
		v.report(Event{Kind: SignedOut, Login: o.MethodName, Identity: s.Identity})
	}
	return nil
}

// meansSession reports whether a logout token is about a session. A session without
// a provider's session ID is matched by its user alone.
func meansSession(s *session.Session, logout *oidc.LogoutToken) bool {
	return logout.SessionID == "" || s.SID == "" || s.SID == logout.SessionID
}

// rejectLogout answers a request that ends no session, and reports why.
func (o *OIDC) rejectLogout(v *Request, err error) {
	e := Event{Kind: Failed, Login: o.MethodName, Status: http.StatusServiceUnavailable, Reason: authenticator.ReasonStoreUnavailable, Err: err}
	var failure *oidc.Failure
	after := time.Duration(0)
	switch {
	case errors.As(err, &failure):
		e.Status, e.Reason, after = failure.Status, failure.Reason, failure.RetryAfter
	case errors.Is(err, errReplay), errors.Is(err, errNotLogoutRequest):
		e.Status, e.Reason = http.StatusBadRequest, authenticator.ReasonTokenMalformed
	case errors.Is(err, ErrTooMany):
		e.Status, e.Reason, after = http.StatusTooManyRequests, authenticator.ReasonThrottled, logoutTokenWindow
	}
	if after > 0 {
		v.W.Header().Set("Retry-After", strconv.Itoa(int((after+time.Second-1)/time.Second)))
	}
	v.report(e)
	o.writeLogoutResponse(v, e.Status, "invalid_request")
}

// writeLogoutResponse writes a response to the provider (section 2.8). An empty
// code is success.
func (o *OIDC) writeLogoutResponse(v *Request, status int, code string) {
	h := v.W.Header()
	h.Set("X-Request-Id", v.RequestID)
	if code == "" {
		v.W.WriteHeader(status)
		return
	}
	h.Set("Content-Type", "application/json")
	v.W.WriteHeader(status)
	_ = json.NewEncoder(v.W).Encode(map[string]string{"error": code})
}
