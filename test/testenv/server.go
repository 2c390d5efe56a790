package testenv

import (
	"bytes"
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile" // the adapter of Caddyfiles
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Adapt turns a Caddyfile into indented JSON, or into a line with the error.
func Adapt(input string) string {
	adapter := caddyconfig.GetAdapter("caddyfile")
	result, _, err := adapter.Adapt([]byte(input), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, result, "", "\t"); err != nil {
		return "error: " + err.Error() + "\n"
	}
	return indented.String() + "\n"
}

// Server provisions the one server of a Caddyfile as Caddy would, with its routes
// and error routes; only the listener is missing.
func (w *Env) Server(config string) *caddyhttp.Server {
	w.T.Helper()
	adapted := Adapt(config)
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
