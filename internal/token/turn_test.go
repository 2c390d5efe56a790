package token

import (
	"errors"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestN12Turn: only what costs a signature takes a turn, which is given back
// whatever comes of it; without one, nobody can tell whether the token is good.
func TestN12Turn(t *testing.T) {
	good := token("ES256", nil)
	forged := good[:len(good)-4] + "AAAA"
	tests := []struct {
		name, raw string
		failure   error // of the turn
		reason    authenticator.Reason
		turns     int
	}{
		{"good", good, nil, "", 1},
		{"forged", forged, nil, authenticator.ReasonTokenSignature, 1},
		{"expired", token("ES256", map[string]any{"exp": testNow.Unix() - 3600}), nil, authenticator.ReasonTokenExpired, 0},
		{"no token", "x", nil, authenticator.ReasonTokenMalformed, 0},
		{"another algorithm", token("HS256", nil), nil, authenticator.ReasonTokenSignature, 0},
		{"no turn", good, errors.New("busy"), authenticator.ReasonBusy, 0},
		{"no turn for a forged one", forged, errors.New("busy"), authenticator.ReasonBusy, 0},
	}
	for _, test := range tests {
		t.Run("N-12 "+test.name, func(t *testing.T) {
			v := newVerifier(t, testConfig(t, "ES256"))
			entered, left := 0, 0
			turn := func() (func(), error) {
				if test.failure != nil {
					return nil, test.failure
				}
				entered++
				return func() { left++ }, nil
			}
			verified, err := v.VerifyLimited(Parse(test.raw), turn)
			var refusal *Error
			if errors.As(err, &refusal); (verified.Identity != nil) != (test.reason == "") || refusal != nil && (refusal.Reason != test.reason || refusal.BadSignature && test.failure != nil) {
				t.Errorf("got %v, %v", verified, err)
			}
			if entered != test.turns || left != test.turns {
				t.Errorf("%d turns taken, %d given back", entered, left)
			}
			if remembered := cachedIdentity(v, test.raw); remembered != verified.Identity {
				t.Errorf("remembered as %v, which takes no turn", remembered)
			}
		})
	}
}

// TestN12PanicLeavesTurn: a check that panics gives its turn back.
func TestN12PanicLeavesTurn(t *testing.T) {
	methods["ES256"] = panicking{methods["ES256"]}
	t.Cleanup(func() { methods["ES256"] = methods["ES256"].(panicking).SigningMethod })
	v, left := newVerifier(t, testConfig(t, "ES256")), 0
	func() {
		defer func() {
			if recover() == nil {
				t.Error("nothing panicked")
			}
		}()
		_, _ = v.VerifyLimited(Parse(token("ES256", nil)), func() (func(), error) { return func() { left++ }, nil })
	}()
	if left != 1 {
		t.Errorf("%d turns given back", left)
	}
}

// panicking is a method whose check panics.
type panicking struct{ jwt.SigningMethod }

func (panicking) Verify(string, []byte, any) error { panic("a signature that cannot be checked") }
