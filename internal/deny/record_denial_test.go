package deny

import (
	"slices"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestWithHint: the details that explain shows have one hint, that of the authenticator
// if it gave one.
func TestWithHint(t *testing.T) {
	got := authenticator.Detail{Name: "got", Value: "x"}
	own := authenticator.Detail{Name: "hint", Value: "own"}
	common := authenticator.Detail{Name: "hint", Value: "common"}
	for _, test := range []struct {
		details []authenticator.Detail
		hint    string
		want    []authenticator.Detail
	}{
		{nil, "", nil},
		{nil, "common", []authenticator.Detail{common}},
		{[]authenticator.Detail{got}, "common", []authenticator.Detail{got, common}},
		{[]authenticator.Detail{got, own}, "common", []authenticator.Detail{got, own}},
	} {
		if list := withHint(test.details, test.hint); !slices.Equal(list, test.want) {
			t.Errorf("%v with %q: %v, want %v", test.details, test.hint, list, test.want)
		}
	}
	shared := make([]authenticator.Detail, 1, 2)
	if withHint(shared, "common"); shared[:2][1] != (authenticator.Detail{}) {
		t.Error("the outcome's own details were written to")
	}
}
