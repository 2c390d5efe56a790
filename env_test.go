package policyauth

import (
	"os"
	"testing"

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
	formToken = testenv.FormToken
	basicOf   = testenv.BasicOf
	sha       = testenv.SHA
	jwtOf     = testenv.JWTOf
	oidcSite  = testenv.OIDCSite
	inspect   = testenv.Inspect
)

// world is an environment in which handlers are provisioned in this process.
type world struct{ *testenv.Env }

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

func newWorld(t testing.TB) *world {
	t.Helper()
	return &world{testenv.New(t)}
}
