package testenv

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// moduleID is the id of the handler. Its package must be imported by the test: this
// one does not import it, so that the handler's own tests can use it.
const moduleID = "http.handlers.policy_auth"

// DecisionLog is the name of the logger of decisions.
const DecisionLog = moduleID + ".decisions"

// Site provisions a handler from the lines of a policy_auth block, in which DIR
// stands for the folder, and returns what it logs from then on, but for decisions.
func (w *Env) Site(block string) (caddyhttp.MiddlewareHandler, *observer.ObservedLogs) {
	w.T.Helper()
	return w.observed(block, moduleID, DecisionLog)
}

// SiteWithDecisions is Site with the log of decisions in place of the other.
func (w *Env) SiteWithDecisions(block string) (caddyhttp.MiddlewareHandler, *observer.ObservedLogs) {
	w.T.Helper()
	return w.observed(block, DecisionLog)
}

func (w *Env) observed(block, logger string, without ...string) (caddyhttp.MiddlewareHandler, *observer.ObservedLogs) {
	w.T.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	h, err := w.provision(block, caddy.CustomLog{BaseLog: caddy.BaseLog{CoreRaw: register(w.T, core)}, Include: []string{logger}, Exclude: without})
	if err != nil {
		w.T.Fatal(err)
	}
	logs.TakeAll()
	return h, logs
}

// Provision is Site without logs, or the error that keeps it from loading.
func (w *Env) Provision(block string) (caddyhttp.MiddlewareHandler, error) {
	return w.provision(block, caddy.CustomLog{})
}

func (w *Env) provision(block string, log caddy.CustomLog) (caddyhttp.MiddlewareHandler, error) {
	info, err := caddy.GetModule(moduleID)
	if err != nil {
		return nil, err
	}
	parsed := info.New().(caddyfile.Unmarshaler)
	d := caddyfile.NewTestDispenser("policy_auth {\n" + strings.ReplaceAll(block, "DIR", w.Dir) + "\n}")
	if err := parsed.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	encoded, err := w.encode(parsed)
	if err != nil {
		return nil, err
	}
	ctx, err := w.Context(log)
	if err != nil {
		return nil, err
	}
	loaded, err := ctx.LoadModuleByID(moduleID, encoded)
	if err != nil {
		return nil, err
	}
	return loaded.(caddyhttp.MiddlewareHandler), nil
}

// encode returns a handler's JSON with the environment's matcher.
func (w *Env) encode(h caddyfile.Unmarshaler) ([]byte, error) {
	encoded, err := json.Marshal(h)
	if err != nil || w.Match == "" {
		return encoded, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &fields); err != nil {
		return nil, err
	}
	fields["match"] = json.RawMessage(w.Match)
	return json.Marshal(fields)
}

// Context returns a context of Caddy's whose storage is in the folder and whose log
// writes nothing but to the log's core. It ends with the test, which cleans up the
// modules that are loaded in it.
func (w *Env) Context(log caddy.CustomLog) (caddy.Context, error) {
	log.WriterRaw = json.RawMessage(`{"output": "discard"}`)
	parent, err := caddy.ProvisionContext(&caddy.Config{
		StorageRaw: json.RawMessage(`{"module": "file_system", "root": "` + w.Dir + `/storage"}`),
		Logging:    &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": &log}},
	})
	if err != nil {
		return caddy.Context{}, err
	}
	ctx, cancel := caddy.NewContext(parent)
	w.T.Cleanup(cancel)
	return ctx, nil
}

// Reached is a next handler that answers "protected" and keeps the request that
// reached it.
type Reached struct{ Request *http.Request }

// ServeHTTP implements caddyhttp.Handler.
func (n *Reached) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	n.Request = r.Clone(r.Context())
	_, err := io.WriteString(w, "protected")
	return err
}

// Ask sends a request through a handler, as Caddy would. Without a scheme in its
// target it comes over TLS. An answer of the handler's own that breaks the rules
// (see [Inspect]) panics: Ask is not told which test it serves.
func Ask(h caddyhttp.MiddlewareHandler, r *http.Request, next caddyhttp.Handler) (*httptest.ResponseRecorder, error) {
	recorder, passed := httptest.NewRecorder(), false
	err := AskOn(recorder, h, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		passed = true
		return next.ServeHTTP(w, r)
	}))
	if wrong := Inspect(StatusOf(recorder, err), recorder.Header()); !passed && wrong != nil {
		panic(wrong)
	}
	return recorder, err
}

// AskOn is Ask with a given writer.
func AskOn(w http.ResponseWriter, h caddyhttp.MiddlewareHandler, r *http.Request, next caddyhttp.Handler) error {
	if r.RemoteAddr == "" || r.RemoteAddr == "192.0.2.1:1234" {
		r.RemoteAddr = "127.0.0.1:1234"
	}
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
	caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, strings.TrimSuffix(r.RemoteAddr, ":1234"))
	return h.ServeHTTP(w, r, next)
}

// StatusOf returns the status that Caddy would answer with.
func StatusOf(recorder *httptest.ResponseRecorder, err error) int {
	if failure, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		return failure.StatusCode
	}
	return recorder.Code
}
