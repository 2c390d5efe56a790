package authn

import (
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/internal/login"
)

// KeepAttempts has what is kept of sign-ins by password (the networks that users
// are known to sign in from, the tries of those who are locked) kept where the
// site keeps its sessions, or in the default store of this machine, which is opened
// at its first use. Without a store it is kept in memory, with a warning.
func KeepAttempts(ctx caddy.Context, methods []Method, door *login.Door, sessions *Session) {
	for _, method := range methods {
		if basic, ok := method.Authenticator.(*Basic); ok {
			keepAttempts(ctx, basic, sessions)
		}
	}
	if door == nil || door.Site == nil || sessions == nil {
		return
	}
	for _, method := range door.Site.Methods {
		if form, ok := method.(*login.Form); ok {
			form.KeepIn(sessions.registry.Store())
		}
	}
}

// keepAttempts does it for one method.
func keepAttempts(ctx caddy.Context, basic *Basic, sessions *Session) {
	var where *SessionStore // the default one
	if sessions != nil {
		where = sessions.Store
	}
	registry, release, err := where.acquire(ctx.Storage())
	if err != nil {
		ctx.Logger().Warn("the networks that users sign in from are kept in memory alone, until a restart", zap.Error(err))
		return
	}
	basic.keepIn(registry.Store(), release)
}
