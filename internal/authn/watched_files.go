package authn

import (
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/internal/files"
)

// openFiles reads what a method needs from files and watches them. What for
// names it in the log, which is the process's own: shared files outlive the
// configuration that opened them. Take is called with each value that comes into use, or
// is nil.
func openFiles[T any](what string, paths []string, parse func(files.Tree) (*T, error), take func(*T)) (*files.Watched[T], error) {
	warn := func(err error) {
		caddy.Log().Named("http.handlers.policy_auth").Warn("watching files", zap.Strings("files", paths), zap.Error(err))
	}
	live, err := files.Open(files.Options{Paths: files.AbsAll(paths), Warn: warn}, parse)
	if err != nil {
		return nil, err
	}
	live.Report(func(err error) {
		logger := caddy.Log().Named("http.handlers.policy_auth").With(zap.Strings("files", paths))
		if err != nil {
			logger.Error(what+" not taken; the last good ones stay in use", zap.Error(err))
			return
		}
		logger.Info(what + " loaded")
		if take != nil {
			take(live.Load())
		}
	})
	if take != nil {
		take(live.Load())
	}
	live.Watch()
	return live, nil
}
