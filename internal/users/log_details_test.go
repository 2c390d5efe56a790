package users

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestN56Causes: the log tells an unknown name, a wrong password and a disabled
// account apart, and names known users alone.
func TestN56Causes(t *testing.T) {
	users := plain(t, &User{Name: "alice", Hash: testPassword}, &User{Name: "carol", Hash: testPassword, Disabled: true})
	for _, test := range []struct {
		name, user, password string
		reason               authenticator.Reason
		cause                authenticator.Cause
		candidate            string
	}{
		{"a wrong password", "alice", "x", authenticator.ReasonCredentialsInvalid, authenticator.CausePasswordWrong, "alice"},
		{"disabled, right password", "carol", testPassword, authenticator.ReasonAccountDisabled, "", "carol"},
		{"disabled, wrong password", "carol", "x", authenticator.ReasonCredentialsInvalid, authenticator.CausePasswordWrong, "carol"},
		{"an unknown name", "eve", testPassword, authenticator.ReasonCredentialsInvalid, authenticator.CauseUserUnknown, ""},
		{"not a name", "a b\x00", "x", authenticator.ReasonCredentialsInvalid, authenticator.CauseUserUnknown, ""},
		{"too long a name", strings.Repeat("a", 1<<16), "x", authenticator.ReasonCredentialsInvalid, authenticator.CauseUserUnknown, ""},
		{"no name", "", "x", authenticator.ReasonCredentialsInvalid, authenticator.CauseUserUnknown, ""},
	} {
		v, _ := plainVerifier(nil, nil)
		got := v.Verify(t.Context(), users, test.user, test.password, home)
		if got.User != nil || got.Reason != test.reason || got.Cause != test.cause || got.Candidate != test.candidate {
			t.Errorf("%s: %+v", test.name, got)
		}
		if known := test.candidate != ""; known != (got.Details == nil) {
			t.Errorf("%s: %v", test.name, got.Details)
		}
	}
}

// TestS42UnknownName: a password that was typed as the name reaches no log, also
// once its tries are throttled: of an unknown name there is its length and a hash
// that only this process can compute.
func TestS42UnknownName(t *testing.T) {
	const typed = "Tr0ub4dor&3"
	users := plain(t, &User{Name: "alice", Hash: testPassword})
	v, _ := plainVerifier(NewThrottle(1, time.Minute, nil), nil)
	var hashes []string
	for _, reason := range []authenticator.Reason{authenticator.ReasonCredentialsInvalid, authenticator.ReasonThrottled} {
		got := v.Verify(t.Context(), users, typed, "", home)
		if got.Reason != reason || got.Candidate != "" || strings.Contains(fmt.Sprintf("%+v", got), typed) {
			t.Errorf("got %+v", got)
		}
		if len(got.Details) != 2 || got.Details[0] != (authenticator.Detail{Name: "name_length", Value: "11"}) || got.Details[1].Name != "name_hash" || len(got.Details[1].Value) != 2*hashBytes {
			t.Fatalf("got %v", got.Details)
		}
		hashes = append(hashes, got.Details[1].Value)
	}
	other, _ := plainVerifier(nil, nil)
	elsewhere := other.Verify(t.Context(), users, typed, "", home).Details[1].Value
	another := v.Verify(t.Context(), users, typed+"x", "", home).Details[1].Value
	if hashes[0] != hashes[1] || elsewhere == hashes[0] || another == hashes[0] {
		t.Errorf("hashes %v, under another key %s, of another name %s", hashes, elsewhere, another)
	}
}
