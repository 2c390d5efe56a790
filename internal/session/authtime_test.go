package session

import (
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

// A time of signing in that a provider did not tell in a readable form is not
// replaced by that of the session, which may be later.
func TestS10UnknownAuthTime(t *testing.T) {
	s := &Sessions{config: Config{Lifetime: time.Hour}}
	at := time.Unix(1_800_000_000, 0)
	if got := s.signedIn(&identity.Identity{ID: "a", Unknown: []string{"auth_time"}}, at); got.AuthTime != 0 {
		t.Errorf("auth_time %d", got.AuthTime)
	}
	if got := s.signedIn(&identity.Identity{ID: "a"}, at); got.AuthTime != at.Unix() {
		t.Errorf("auth_time %d", got.AuthTime)
	}
}
