package session

import (
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// A time of signing in that a login did not tell is not replaced by that of the
// session, which may be later.
func TestS10UnknownAuthTime(t *testing.T) {
	s := &Sessions{config: Config{Lifetime: time.Hour}}
	at := time.Unix(1_800_000_000, 0)
	for _, unknown := range [][]string{nil, {"auth_time"}} {
		if got := s.sessionIdentity(&authenticator.Identity{ID: "a", Unknown: unknown}, at); got.AuthTime != 0 {
			t.Errorf("%v: auth_time %d", unknown, got.AuthTime)
		}
	}
	if got := s.sessionIdentity(&authenticator.Identity{ID: "a", AuthTime: 7}, at); got.AuthTime != 7 {
		t.Errorf("auth_time %d", got.AuthTime)
	}
}
