package decision

import (
	"net/http"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// TestSameEffects: what is done to an allowed request is compared, and nothing else.
func TestSameEffects(t *testing.T) {
	base := func() Decision {
		return Decision{
			Allow: true, Headers: http.Header{"X-A": {"1", "2"}}, ResponseHeadersToAdd: http.Header{"X-B": {"3"}},
			RequestHeadersToRemove: []string{"Cookie"}, Labels: map[string]string{"rule": "a"},
		}
	}
	tests := []struct {
		name   string
		change func(*Decision)
		same   bool
	}{
		{"nothing", func(*Decision) {}, true},
		{"a label", func(d *Decision) { d.Labels = nil }, true},
		{"a message", func(d *Decision) { d.Message = "x" }, true},
		{"a value", func(d *Decision) { d.Headers.Set("X-A", "1") }, false},
		{"the order of values", func(d *Decision) { d.Headers["X-A"] = []string{"2", "1"} }, false},
		{"one header more", func(d *Decision) { d.Headers.Set("X-C", "1") }, false},
		{"one header less", func(d *Decision) { d.Headers = nil }, false},
		{"a header of the response", func(d *Decision) { d.ResponseHeadersToAdd.Set("X-B", "4") }, false},
		{"a header to remove", func(d *Decision) { d.RequestHeadersToRemove = []string{"X-A"} }, false},
		{"no header to remove", func(d *Decision) { d.RequestHeadersToRemove = nil }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			other := base()
			test.change(&other)
			if base().SameEffects(other) != test.same || other.SameEffects(base()) != test.same {
				t.Errorf("want %v", test.same)
			}
		})
	}
}

// TestN08Redirect: where a policy sends the refused has the guard of return_to.
func TestN08Redirect(t *testing.T) {
	for to, want := range map[string]string{
		"/welcome": "/welcome", "/a/../b?next=/x/..//y#z": "/a/../b?next=/x/..//y#z", "/a#b": "/a#b",
		"/x/..//evil.example": "/", "/x/%2e%2e//evil.example?y": "/", "/%2fevil.example": "/", "/%5cevil.example": "/",
	} {
		got := decode(ast.MustInterfaceToValue(map[string]any{"allow": false, "redirect": map[string]any{"to": to}}))
		if got.Err != nil || got.Redirect == nil || got.Redirect.To != want {
			t.Errorf("%s: %+v %v, want %s", to, got.Redirect, got.Err, want)
		}
	}
}
