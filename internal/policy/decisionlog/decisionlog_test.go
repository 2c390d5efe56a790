package decisionlog

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// returning returns a rule that evaluates to a JSON value; "" is undefined.
func returning(t *testing.T, value string) Rule {
	return func(context.Context, ast.Value) (ast.Value, error) {
		if value == "" {
			return nil, nil
		}
		return fromJSON(t, value), nil
	}
}

func fromJSON(t *testing.T, text string) ast.Value {
	t.Helper()
	value, err := ast.ValueFromReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// eventOf returns a decision with an input and a result in JSON.
func eventOf(t *testing.T, input, result string) Event {
	t.Helper()
	document := &request.Document{}
	document.Request.ID, document.Request.TimeNS, document.Client.IP = "id", 5, "192.0.2.1"
	return Event{
		Decision: "data.caddy.authz.allow", Revision: "r1", Document: document, Elapsed: 7,
		Input: fromJSON(t, input), Result: fromJSON(t, result),
	}
}

// text returns an entry as the log has it.
func (e *Entry) text(t *testing.T) string {
	t.Helper()
	encoded, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

// TestEntry: T-45. An entry has the format of OPA's decision log.
func TestEntry(t *testing.T) {
	event := eventOf(t, `{"a": 1}`, `true`)
	event.Err = errors.New("it failed")
	e, ok := Rules{}.Entry(t.Context(), event)
	const want = `{"decision_id":"id","bundles":{"policies":{"revision":"r1"}},"path":"caddy/authz/allow","input":{"a":1},"result":true,"error":"it failed","requested_by":"192.0.2.1",` +
		`"timestamp":"1970-01-01T00:00:00.000000005Z","metrics":{"timer_rego_query_eval_ns":7}}`
	if got := e.text(t); !ok || got != want {
		t.Errorf("got %t, %s", ok, got)
	}
	event.Result = nil
	if e, ok = (Rules{}).Entry(t.Context(), event); !ok || e.Result != nil || e.Error != "it failed" || !e.Timestamp.Equal(time.Unix(0, 5)) {
		t.Errorf("undefined: %t, %+v", ok, e)
	}
}

// TestEntryHides: T-45. Texts that look like credentials are in no entry, and the rules of
// the log do not see them.
func TestEntryHides(t *testing.T) {
	var seen string
	rules := Rules{Drop: func(_ context.Context, entry ast.Value) (ast.Value, error) {
		seen = entry.String()
		return nil, nil
	}}
	e, ok := rules.Entry(t.Context(), eventOf(t,
		`{"request": {"headers": {"x-vault-token": "canary", "accept": "a"}}}`,
		`{"headers": {"Authorization": "canary", "X-A": "b"}, "response_headers_to_add": {"Set-Cookie": ["canary"]}, "query_parameters_to_set": {"access_token": "canary"}}`))
	if got := e.text(t); !ok || strings.Contains(got+seen, "canary") || !strings.Contains(got, `"X-A":"b"`) || !strings.Contains(got, `"accept":"a"`) || seen == "" {
		t.Errorf("got %t, %s; the rule sees %s", ok, got, seen)
	}
}

// TestEntryMask: the mask of the policies is applied, and one that fails removes the input
// and the result.
func TestEntryMask(t *testing.T) {
	const hidden = `"error":"the decision is not shown: `
	tests := []struct{ name, mask, want, lacks string }{
		{"undefined", ``, `"input":{"a":{"b":"c","d/e~":1}}`, "erased"},
		{"removed", `["/input/a/b"]`, `"input":{"a":{"d/e~":1}},"result":{"allow":true},"erased":["/input/a/b"]`, "masked"},
		{"by an object", `[{"op": "remove", "path": "/input/a/b"}]`, `"erased":["/input/a/b"]`, `"c"`},
		{"escaped", `["/input/a/d~1e~0"]`, `"input":{"a":{"b":"c"}}`, "d/e"},
		{"all of the input", `["/input"]`, `"result":{"allow":true},"erased":["/input"]`, `"input":`},
		{"all of the result", `["/result"]`, `"input":`, `"result":`},
		{"replaced", `[{"op": "upsert", "path": "/input/a/b", "value": "**"}]`, `"b":"**"`, `"c"`},
		{"added", `[{"op": "upsert", "path": "/result/x", "value": 5}]`, `"result":{"allow":true,"x":5},"masked":["/result/x"]`, "erased"},
		{"removed from a path that does not exist", `["/input/x/y"]`, `"c"`, "erased"},
		{"added to a path that does not exist", `[{"op": "upsert", "path": "/input/x/y", "value": 5}]`, `"c"`, "masked"},
		{"below a text", `["/input/a/b/c"]`, `"c"`, "erased"},
		{"a path outside", `["/metrics/x"]`, hidden + `system.log.mask: /metrics/x: want a path below /input or /result"`, `"c"`},
		{"an unknown operation", `[{"op": "add", "path": "/input/a"}]`, "op is remove or upsert", `"c"`},
		{"no path", `[{"op": "remove"}]`, "want paths such as /input/identity/email", `"c"`},
		{"a number", `[1]`, "want paths such as", `"c"`},
		{"no set", `1`, "is not a set", `"c"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e, ok := Rules{Mask: returning(t, test.mask)}.Entry(t.Context(), eventOf(t, `{"a": {"b": "c", "d/e~": 1}}`, `{"allow": true}`))
			got := strings.ReplaceAll(e.text(t), "data.system", "system")
			if !ok || !strings.Contains(got, test.want) || strings.Contains(got, test.lacks) {
				t.Errorf("got %t, %s", ok, got)
			}
		})
	}
}

// TestEntryRules: an entry is dropped only if the rule is true. Rules that fail remove the
// input and the result.
func TestEntryRules(t *testing.T) {
	failing := Rule(func(context.Context, ast.Value) (ast.Value, error) { return nil, errors.New("it failed") })
	for _, test := range []struct {
		name          string
		rules         Rules
		logged, shown bool
	}{
		{"true", Rules{Drop: returning(t, `true`)}, false, true},
		{"false", Rules{Drop: returning(t, `false`)}, true, true},
		{"undefined", Rules{Drop: returning(t, ``)}, true, true},
		{"another value", Rules{Drop: returning(t, `"true"`)}, true, true},
		{"a failing drop", Rules{Drop: failing}, true, false},
		{"a failing mask", Rules{Mask: failing}, true, false},
	} {
		e, ok := test.rules.Entry(t.Context(), eventOf(t, `{"a": 1}`, `true`))
		if ok != test.logged || ok && (e.Input != nil) != test.shown || ok && (e.Result != nil) != test.shown {
			t.Errorf("%s: %t, %+v", test.name, ok, e)
		}
	}
}
