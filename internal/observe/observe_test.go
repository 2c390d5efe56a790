package observe

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

func event() *Event {
	return &Event{
		RequestID: func() string { return "id-1" }, Status: 403, Reason: authenticator.ReasonPolicyDenied, Codes: []string{"too_late"},
		Outcome:  authenticator.Outcome{Verdict: authenticator.Accepted, Method: "jwt", Details: []authenticator.Detail{{Name: "expected_audience", Value: "api"}}},
		Identity: &authenticator.Identity{Authenticated: true, ID: "alice", Issuer: "https://id.example", Username: "al", Roles: []string{"a", "b"}, Claims: map[string]any{"team": "{env.HOME}"}},
		Labels:   map[string]string{"rule": "access.yaml:7"}, Revision: "r1", HTTPMethod: "GET", Host: "h", Path: "/p", ClientIP: "192.0.2.1",
		Elapsed: time.Millisecond,
	}
}

// TestLog: R-LOG-1, one line a refusal; allows at debug; trouble at error.
func TestLog(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Event)
		level  zapcore.Level
	}{
		{"a refusal", func(*Event) {}, zapcore.InfoLevel},
		{"an allow", func(e *Event) { e.Allowed, e.Status, e.Reason = true, 0, "" }, zapcore.DebugLevel},
		{"an error inside", func(e *Event) { e.Status, e.Err = 500, errors.New("policy.rego:3: division by zero") }, zapcore.ErrorLevel},
		{"a note on a denial", func(e *Event) { e.Err = errors.New("a code was dropped") }, zapcore.InfoLevel},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			core, logs := observer.New(zapcore.DebugLevel)
			e := event()
			test.change(e)
			Log(zap.New(core), e)
			if logs.Len() != 1 || logs.All()[0].Level != test.level {
				t.Fatalf("got %v", logs.All())
			}
			fields := logs.All()[0].ContextMap()
			if hint := fields["explain"]; (hint == "caddy policy-auth explain id-1") == e.Allowed {
				t.Errorf("explain: %v", hint)
			}
			if want := map[bool]any{true: nil, false: int64(e.Status)}[e.Allowed]; fields["status"] != want || fields["reason"] != nil && fields["reason"] != string(e.Reason) || fields["reason"] == nil && !e.Allowed {
				t.Errorf("status %v, reason %v", fields["status"], fields["reason"])
			}
			for name, want := range map[string]any{"http_method": "GET", "host": "h", "request_id": "id-1", "user_id": "alice", "rule": "access.yaml:7", "expected_audience": "api", "path": "/p", "client_ip": "192.0.2.1", "method": "jwt", "issuer": "https://id.example"} {
				if fields[name] != want {
					t.Errorf("%s is %v, want %v", name, fields[name], want)
				}
			}
		})
	}
}

// TestClean: R-LOG-2, what a stranger chose cannot draw on an operator's terminal.
func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"alice":                  "alice",
		"a\r\nb":                 "a\uFFFD\uFFFDb",
		"\x1b[2Jx":               "\uFFFD[2Jx",
		"a\u202eb\u2066c\u009d":  "a\uFFFDb\uFFFDc\uFFFD",
		"Zoë":                    "Zoë",
		strings.Repeat("a", 300): strings.Repeat("a", 256),
	} {
		if got := clean(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func resultOf(e *Event) *Summary {
	result := e.Summary()
	return &result
}

// TestAccessLog holds the fields that product.md names.
func TestAccessLog(t *testing.T) {
	for name, server := range map[string]*caddyhttp.Server{"no server": nil, "no access log": {}, "an access log": {Logs: new(caddyhttp.ServerLogConfig)}} {
		r := caddyhttp.PrepareRequest(httptest.NewRequest("GET", "/", nil), caddy.NewReplacer(), nil, server)
		AccessLog(r, resultOf(event()))
		extra, _ := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields)
		if extra == nil {
			t.Fatal("no access-log fields")
		}
		if untouched := reflect.DeepEqual(extra, new(caddyhttp.ExtraLogFields)); untouched != (name == "no access log") {
			t.Errorf("%s: untouched: %v", name, untouched)
		}
	}
	line := zapcore.NewMapObjectEncoder()
	if err := resultOf(event()).MarshalLogObject(line); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"policy_auth_decision": "deny", "policy_auth_reason": "policy_denied", "policy_auth_method": "jwt", "policy_auth_revision": "r1"}
	if !reflect.DeepEqual(line.Fields, want) {
		t.Errorf("got %v, want %v", line.Fields, want)
	}
	AccessLog(httptest.NewRequest("GET", "/", nil), resultOf(event())) // outside of Caddy: nothing happens
}

// TestPlaceholders: T-30, T-48. A user is named only after success, and a
// value that looks like a placeholder stays text.
func TestPlaceholders(t *testing.T) {
	e := event()
	e.Allowed = true
	e.Vars = map[string]any{"tenant": "{env.HOME}", "a": map[string]any{"n": json.Number("12"), "l": []any{"x", "y"}}}
	repl := caddy.NewReplacer()
	repl.Set("http.request.uuid", "id-1")
	new(Placeholders).Show(repl, resultOf(e))
	for in, want := range map[string]string{
		"{http.policy_auth.decision}":        "allow",
		"{http.policy_auth.reason}":          "policy_denied",
		"{http.policy_auth.method}":          "jwt",
		"{http.policy_auth.policy_revision}": "r1",
		"{http.policy_auth.request_id}":      "id-1",
		"{http.policy_auth.nothing}":         "",
		"{http.policy_auth.vars.tenant}":     "{env.HOME}",
		"{http.policy_auth.vars.a.n}":        "12",
		"{http.policy_auth.vars.a.l}":        "x,y",
		"{http.policy_auth.vars.a}":          "",
		"{http.policy_auth.vars.a.n.x}":      "",
		"{http.policy_auth.vars.other}":      "",
		"{http.auth.user.id}":                "alice",
		"{http.auth.user.username}":          "al",
		"{http.auth.user.roles}":             "a,b",
		"{http.auth.user.claims.team}":       "{env.HOME}",
		"{http.auth.user.nothing}":           "",
	} {
		if got := repl.ReplaceAll(in, ""); got != want {
			t.Errorf("%s is %q, want %q", in, got, want)
		}
	}
	for name, change := range map[string]func(*Event){
		"refused":   func(e *Event) { e.Allowed = false },
		"anonymous": func(e *Event) { e.Identity = authenticator.Anonymous() },
	} {
		e := event()
		e.Allowed = true
		change(e)
		repl := caddy.NewReplacer()
		shown := new(Placeholders)
		first := event()
		first.Allowed = true
		shown.Show(repl, resultOf(first)) // by an earlier handler
		shown.Show(repl, resultOf(e))
		if got := repl.ReplaceAll("{http.auth.user.id}", ""); got != "" {
			t.Errorf("%s: a user is named: %q", name, got)
		}
	}
}

// count reads a counter.
func count(c prometheus.Counter) float64 {
	var m dto.Metric
	_ = c.Write(&m)
	return m.GetCounter().GetValue()
}

// TestMetrics: T-69 and R-LOG-3. The same collectors count in each new
// registry, and no label is a stranger's.
func TestMetrics(t *testing.T) {
	before := count(decisions.WithLabelValues("deny", "policy_denied"))
	for range 2 {
		registry := prometheus.NewRegistry()
		for range 2 {
			if err := Register(registry); err != nil {
				t.Fatal(err)
			}
		}
		CountDenied(event())
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		names := ""
		for _, family := range families {
			names += family.GetName() + " "
			for _, metric := range family.GetMetric() {
				for _, label := range metric.GetLabel() {
					if label.GetValue() == "too_late" || label.GetValue() == "alice" {
						t.Errorf("%s has the label %s", family.GetName(), label.GetValue())
					}
				}
			}
		}
		for _, want := range []string{"caddy_policy_auth_decisions_total", "caddy_policy_auth_authentications_total", "caddy_policy_auth_evaluation_seconds"} {
			if !strings.Contains(names, want) {
				t.Errorf("%s lacks %s", names, want)
			}
		}
	}
	if got := count(decisions.WithLabelValues("deny", "policy_denied")); got != before+2 {
		t.Errorf("counted %v", got-before)
	}
	CountReload(errors.New("broken"))
	CountReload(nil)
	if count(reloads.WithLabelValues("failure")) != 1 || count(reloads.WithLabelValues("success")) != 1 {
		t.Error("reloads are not counted")
	}
}

// TestSampled: ten lines of a message are written and then every hundredth, and a
// logger that has written none takes next to no memory.
func TestSampled(t *testing.T) {
	core, logs := observer.New(zapcore.InfoLevel)
	logger := Sampled(zap.New(core))
	for range 210 {
		logger.Info("one")
		logger.Debug("below the level")
	}
	logger.With(zap.Int("a", 1)).Info("two")
	if one, two := logs.FilterMessage("one").Len(), logs.FilterMessage("two").FilterField(zap.Int("a", 1)).Len(); one != 12 || two != 1 || logs.Len() != 13 {
		t.Errorf("%d of one message, %d of another one, %d in all", one, two, logs.Len())
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		_ = Sampled(zap.New(core))
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / 100; each > 10_000 {
		t.Errorf("%d bytes for a logger that is not used", each)
	}
}
