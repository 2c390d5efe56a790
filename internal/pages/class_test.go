package pages

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// reasons returns all reasons but the empty one, read from their source.
func reasons(t testing.TB) []authenticator.Reason {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../authenticator/reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []authenticator.Reason
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if value != "" {
			found = append(found, authenticator.Reason(value))
		}
		return true
	})
	return found
}

// TestClasses: each reason has a class, and each class has its words.
func TestClasses(t *testing.T) {
	all := reasons(t)
	if diff := cmp.Diff(slices.Sorted(slices.Values(all)), slices.Sorted(maps.Keys(classes))); diff != "" {
		t.Errorf("(-reasons +mapped)\n%s", diff)
	}
	l, err := loadLanguages()
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range all {
		for status := 400; status < 600; status++ {
			class := classOf(reason, status)
			if l.wordings[0].Classes[class].Title == "" {
				t.Fatalf("%s %d: no words for %q", reason, status, class)
			}
			if status == 403 && class == ClassSignInNeeded {
				t.Errorf("%s: a 403 does not ask to sign in", reason)
			}
		}
	}
}

// TestClassOf: what the refused are told. R-401-7: how a sign-in failed is not.
func TestClassOf(t *testing.T) {
	tests := []struct {
		reason authenticator.Reason
		status int
		want   Class
	}{
		{"credentials_missing", 401, ClassSignInNeeded},
		{"credentials_missing", 403, ClassForbidden},
		{"certificate_required", 403, ClassCertificate},
		{"misdirected", 421, ClassMisdirected},
		{"credentials_invalid", 401, ClassSignInFailed},
		{"credentials_invalid", 502, ClassProviderFailed},
		{"token_signature", 502, ClassProviderFailed},
		{"token_expired", 502, ClassProviderFailed},
		{"token_issuer", 400, ClassProviderFailed},
		{"login_state_invalid", 400, ClassProviderFailed},
		{"login_state_invalid", 403, ClassSignInFailed},
		{"provider_denied", 403, ClassProviderDenied},
		{"provider_denied", 502, ClassProviderFailed},
		{"account_disabled", 401, ClassSignInFailed},
		{"account_locked", 401, ClassSignInFailed},
		{"token_signature", 401, ClassSignInFailed},
		{"token_expired", 401, ClassExpired},
		{"session_expired", 401, ClassExpired},
		{"step_up_required", 401, ClassStepUp},
		{"insufficient_scope", 403, ClassForbidden},
		{"policy_denied", 403, ClassForbidden},
		{"policy_denied", 401, ClassSignInNeeded},
		{"policy_denied", 404, ClassNotFound},
		{"policy_denied", 410, ClassNotFound},
		{"policy_denied", 413, ClassTooLarge},
		{"policy_denied", 429, ClassThrottled},
		{"body_refused", 413, ClassTooLarge},
		{"body_refused", 415, ClassBadBody},
		{"body_refused", 400, ClassBadBody},
		{"body_refused", 408, ClassBadBody},
		{"policy_denied", 451, ClassForbidden},
		{"policy_denied", 500, ClassError},
		{"policy_denied", 503, ClassUnavailable},
		{"policy_undefined", 403, ClassForbidden},
		{"policy_error", 500, ClassError},
		{"policy_timeout", 500, ClassError},
		{"policy_unavailable", 503, ClassUnavailable},
		{"keys_unavailable", 503, ClassUnavailable},
		{"store_unavailable", 503, ClassUnavailable},
		{"throttled", 429, ClassThrottled},
		{"insecure_transport", 403, ClassInsecure},
		{"cookie_domain", 403, ClassWrongHost},
		{"cross_site", 403, ClassCrossSite},
		{"path_ambiguous", 400, ClassBadRequest},
		{"credentials_ambiguous", 400, ClassTwoCredentials},
		{"upgrade_refused", 501, ClassUpgrade},
		{"early_data", 425, ClassTooEarly},
		{"policy_denied", 400, ClassBadRequest},
		{"token_malformed", 400, ClassBadRequest},
		{"", 403, ClassForbidden},
		{"a reason of tomorrow", 403, ClassForbidden},
		{"a reason of tomorrow", 500, ClassError},
	}
	for _, test := range tests {
		t.Run(string(test.reason)+" "+strconv.Itoa(test.status), func(t *testing.T) {
			if got := classOf(test.reason, test.status); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
