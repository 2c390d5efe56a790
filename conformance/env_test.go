// Package conformance tests the handler against the lines of docs/requirements.md, as
// a client and an operator see it: requests, answers and the log.
package conformance

import (
	"os"
	"testing"

	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/policyauth/caddy-policy-auth" // the handler
	"github.com/policyauth/caddy-policy-auth/test/testenv"
)

const (
	canary      = testenv.Canary
	basicSite   = testenv.BasicSite
	patientSite = testenv.PatientSite
	formSite    = testenv.FormSite
	keySite     = testenv.KeySite
	jwtSecret   = testenv.JWTSecret
	jwtSite     = testenv.JWTSite
	corsSite    = testenv.CORSSite
	origin      = testenv.Origin
	basicLine   = testenv.BasicLine
	bearerLine  = testenv.BearerLine
	dpopLine    = testenv.DPoPLine
)

var (
	formToken = testenv.FormToken
	basicOf   = testenv.BasicOf
	sha       = testenv.SHA
	jwtOf     = testenv.JWTOf
	oidcSite  = testenv.OIDCSite

	get      = testenv.Get
	post     = testenv.Post
	head     = testenv.Head
	asUser   = testenv.AsUser
	basic    = testenv.AsPassword
	secure   = testenv.Secure
	navigate = testenv.Navigate
	filled   = testenv.Filled
	ask      = testenv.Ask
	askOn    = testenv.AskOn
	statusOf = testenv.StatusOf
	visitor  = testenv.NewBrowser
)

type (
	reached = testenv.Reached
	browser = testenv.Browser
)

// env is an environment in which handlers are provisioned in this process.
type env struct{ *testenv.Env }

func newEnv(t testing.TB) *env {
	t.Helper()
	return &env{testenv.New(t)}
}

// site provisions a handler from the lines of a policy_auth block, in which DIR
// stands for the environment's folder, and returns what it logs.
func (w *env) site(block string) (caddyhttp.MiddlewareHandler, *observer.ObservedLogs) {
	w.T.Helper()
	return w.Site(block)
}

// provision is site without logs, or the error that keeps it from loading.
func (w *env) provision(block string) (caddyhttp.MiddlewareHandler, error) { return w.Provision(block) }

// TestMain gives the tests a data directory of their own.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "policy_auth")
	if err == nil {
		err = os.Setenv("XDG_DATA_HOME", dir)
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}
