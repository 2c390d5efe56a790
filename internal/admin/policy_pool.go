// Package admin is what operators use on a running server: the endpoints of
// Caddy's admin API, and the policies in use that they show.
package admin

import (
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/internal/observe"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
	"github.com/policyauth/caddy-policy-auth/internal/pool"
)

// policies holds every policy set in use, by its configuration: sites with the
// same policies share one, and it outlives reloads of the configuration.
var policies = pool.New[*policy.Engine]()

// AcquirePolicies returns the policy set for a configuration and what to call
// when it is no longer needed. It fails if the policies are broken now, even
// if another site goes on with the last good ones.
func AcquirePolicies(config policy.Config) (*policy.Engine, func(), error) {
	return policies.Acquire(config.Normalized(), func() (*policy.Engine, error) { return policy.Open(config, testrun.Checker(), report) })
}

// report tells the operator what became of a change. It uses the process's own
// logger, since a policy set outlives the configuration that opened it.
func report(r policy.Report) {
	logger := caddy.Log().Named("http.handlers.policy_auth")
	if r.Distrusted {
		observe.CountDifference()
		logger.Error("a cached decision differs from a new evaluation: the decision cache is turned off; please report this",
			zap.Strings("sources", r.Sources), zap.String("revision", r.Revision))
		return
	}
	for _, warning := range r.Warnings {
		logger.Warn("policies: "+warning, zap.Strings("sources", r.Sources))
	}
	if r.Revision == "" && r.Err == nil {
		return // nothing was loaded
	}
	observe.CountReload(r.Err)
	if r.Err != nil {
		logger.Error("policies not taken; the last good ones stay in use", zap.Strings("sources", r.Sources), zap.Error(r.Err))
		return
	}
	logger.Info("policies loaded", zap.Strings("sources", r.Sources), zap.String("revision", r.Revision))
}
