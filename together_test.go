package policyauth

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/policyauth/caddy-policy-auth/test/testenv"
)

// together provisions the one server of a Caddyfile as Caddy would, with its
// routes and error routes; only the listener is missing.
func (w *env) together(config string) *caddyhttp.Server {
	w.T.Helper()
	adapted := adapt(config)
	var parsed struct {
		Apps struct{ HTTP json.RawMessage }
	}
	if err := json.Unmarshal([]byte(adapted), &parsed); err != nil {
		w.T.Fatalf("%v\n%s", err, adapted)
	}
	ctx, err := w.Context(caddy.CustomLog{})
	if err != nil {
		w.T.Fatal(err)
	}
	app, err := ctx.LoadModuleByID("http", parsed.Apps.HTTP)
	if err != nil {
		w.T.Fatal(err)
	}
	for _, server := range app.(*caddyhttp.App).Servers {
		return server
	}
	w.T.Fatal("no server")
	return nil
}

// TestTogether: T-41, T-59, T-65, R-PAGE-13. A refused request gets one status
// and one body, and nothing behind the handler sees it; an allowed one is
// answered by its neighbours as if the handler were not there.
func TestTogether(t *testing.T) {
	n := &testenv.Neighbourhood{Env: testenv.New(t)}
	site := httptest.NewServer((&env{n.Env}).together(n.Caddyfile("8080", "")))
	t.Cleanup(site.Close)
	n.Try(t, site.Listener.Addr().String())
}
