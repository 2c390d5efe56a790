package authn

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/internal/apppassword"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/store"
	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// BindAppPasswords connects app_passwords, if it is one of the methods, to the logins and
// the sessions of the site, by which people make them. It is called once, after
// provisioning.
func BindAppPasswords(methods *Chain, s *Session, site *login.Site, logger *zap.Logger) {
	a := methods.appPasswords()
	if a == nil {
		return
	}
	a.passwords, a.sessions, a.methods = apppassword.New(s.passwords, a.config()), s.sessions, s.methods
	site.AppPasswords = a.passwords
	for _, method := range s.methods {
		switch m := method.(type) {
		case *login.OIDC:
			m.AppPasswords = a.passwords
			a.warnNoOfflineAccess(m, logger)
		case *login.Form:
			endWithUsers(m, s.registry.Store())
		}
	}
}

// warnNoOfflineAccess logs a warning if app passwords may end earlier than the manual says.
func (a *AppPasswords) warnNoOfflineAccess(m *login.OIDC, logger *zap.Logger) {
	if a.SignInWithin == 0 && !m.Provider.RequestsOfflineAccess() {
		logger.Warn("app passwords may end with the user's session at the provider, or 7 days after the last sign-in, because login oidc does not request offline_access: add it to scopes, or set sign_in_within if the provider issues lasting refresh tokens without it", zap.String("login", m.Name()))
	}
}

// endTimeout limits how long a change of users waits for the store.
const endTimeout = 5 * time.Second

// endWithUsers ends app passwords when their owners change in the files of a form, whether
// one is used meanwhile or not. The log is the process's own: shared users outlive a
// configuration.
func endWithUsers(form *login.Form, in store.Store) {
	form.Follow(func(before, after *users.Users) {
		ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
		defer cancel()
		if err := form.EndChanged(ctx, in, before, after); err != nil {
			caddy.Log().Named("http.handlers.policy_auth").Warn("app passwords of users who were disabled, removed or given another password end only when they are used, because the store does not respond", zap.Error(err))
		}
	})
}
