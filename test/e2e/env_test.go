//go:build e2e

package e2e

import (
	"testing"

	"github.com/policyauth/caddy-policy-auth/test/testenv"
)

const (
	canary      = testenv.Canary
	basicSite   = testenv.BasicSite
	patientSite = testenv.PatientSite
	formSite    = testenv.FormSite
	jwtSecret   = testenv.JWTSecret
	jwtSite     = testenv.JWTSite
	keySite     = testenv.KeySite
	corsSite    = testenv.CORSSite
	origin      = testenv.Origin
	bearerLine  = testenv.BearerLine
)

var (
	formToken = testenv.FormToken
	basicOf   = testenv.BasicOf
	sha       = testenv.SHA
	jwtOf     = testenv.JWTOf
	oidcSite  = testenv.OIDCSite
	inspect   = testenv.Inspect
)

// env is an environment that a running Caddy serves.
type env struct{ *testenv.Env }

func newEnv(t testing.TB) *env {
	t.Helper()
	return &env{testenv.New(t)}
}
