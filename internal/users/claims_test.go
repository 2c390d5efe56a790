package users

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestToClaims: what YAML holds becomes what JSON would have been decoded to;
// what JSON does not have is refused rather than changed.
func TestToClaims(t *testing.T) {
	tests := []struct {
		name  string
		value any
		want  any
		wrong bool
	}{
		{"nothing", nil, nil, false},
		{"text", "x", "x", false},
		{"truth", true, true, false},
		{"a number", 7, json.Number("7"), false},
		{"a negative number", -7, json.Number("-7"), false},
		{"more than an int64", uint64(math.MaxUint64), json.Number("18446744073709551615"), false},
		{"a fraction", 0.1, json.Number("0.1"), false},
		{"a large number", 1e300, json.Number("1e+300"), false},
		{"not a number", math.NaN(), nil, true},
		{"infinity", math.Inf(-1), nil, true},
		{"a time", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "2026-01-02T03:04:05Z", false},
		{"a list", []any{"a", 1, []any{}}, []any{"a", json.Number("1"), []any{}}, false},
		{"a mapping", map[string]any{"a": map[string]any{"b": 1}}, map[string]any{"a": map[string]any{"b": json.Number("1")}}, false},
		{"numbers as keys", map[any]any{1: "x"}, nil, true},
		{"deep in a list", []any{[]any{math.NaN()}}, nil, true},
		{"deep in a mapping", map[string]any{"a": map[any]any{}}, nil, true},
		{"another kind", struct{}{}, nil, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := convertClaims(map[string]any{"claim": test.value})
			if test.wrong {
				if !errors.Is(err, errClaims) || got != nil {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			if diff := cmp.Diff(map[string]any{"claim": test.want}, got); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
	if got, err := convertClaims(nil); got == nil || err != nil {
		t.Errorf("none: %v, %v", got, err)
	}
}
