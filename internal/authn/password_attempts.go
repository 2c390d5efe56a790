package authn

import (
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/internal/login"
)

// keepAttempts stores the networks that users sign in from and the attempts of locked
// users: in the store of the site's sessions, or in the default store of this machine,
// which opens at its first use. Without a store they stay in memory, with a warning.
func keepAttempts(ctx caddy.Context, methods []Method, target *login.Target, sessions *Session) {
	for _, method := range methods {
		if basic, ok := method.Authenticator.(*Basic); ok {
			keepBasicAttempts(ctx, basic, sessions)
		}
	}
	if target == nil || target.Site == nil || sessions == nil {
		return
	}
	for _, method := range target.Site.Methods {
		if form, ok := method.(*login.Form); ok {
			form.UseStore(sessions.registry.Store())
		}
	}
}

// keepBasicAttempts opens the store for one basic method.
func keepBasicAttempts(ctx caddy.Context, basic *Basic, sessions *Session) {
	registry, release, err := sessions.store().acquire(ctx.Storage())
	if err != nil {
		ctx.Logger().Warn("the networks of users are kept only in memory and lost at a restart", zap.Error(err))
		return
	}
	basic.keepIn(registry.Store(), release)
}
