package policyauth

import (
	"os"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

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
)

var (
	basicOf = testenv.BasicOf
	sha     = testenv.SHA
	jwtOf   = testenv.JWTOf

	get      = testenv.Get
	asUser   = testenv.AsUser
	secure   = testenv.Secure
	ask      = testenv.Ask
	askOn    = testenv.AskOn
	statusOf = testenv.StatusOf
	visitor  = testenv.NewBrowser
)

type reached = testenv.Reached

// env is an environment in which handlers are provisioned in this process.
type env struct{ *testenv.Env }

func newEnv(t testing.TB) *env {
	t.Helper()
	return &env{testenv.New(t)}
}

// site provisions a handler from the lines of a policy_auth block, in which DIR
// stands for the environment's folder, and returns what it logs.
func (w *env) site(block string) (*Handler, *observer.ObservedLogs) {
	w.T.Helper()
	h, logs := w.Site(block)
	return h.(*Handler), logs
}

// provision is site without logs, or the error that keeps it from loading.
func (w *env) provision(block string) (*Handler, error) {
	h, err := w.Provision(block)
	if err != nil {
		return nil, err
	}
	return h.(*Handler), nil
}

// logTo makes a handler log elsewhere, and no decisions.
func (h *Handler) logTo(logger *zap.Logger) {
	h.decisions = zap.NewNop()
	h.logger, h.sampledLogger, h.forwarder.Logger, h.responder.Logger = logger, logger, logger, logger
}

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
