package users

import (
	"encoding/hex"
	"strconv"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// hashBytes is how much of a keyed hash stands in the log: enough to see that two
// lines are about the same name.
const hashBytes = 8

// addLogDetails adds to a refused attempt what the log says of its name: which known
// user's it is, or else its length in bytes and a hash under the process's own
// random key. A name that is not a user's may be a password that was typed in the
// wrong field, so that it is never logged (S-42). The hash is computed for known
// names, too: all cost the same.
func (v *Verifier) addLogDetails(r *Result, users *Users, name string) {
	digest := mac(v.key, "name", name[:min(len(name), maxName)])
	normal, _, _ := credentials(name, "")
	user := users.byName[normal]
	invalid := r.Reason == authenticator.ReasonCredentialsInvalid
	if user != nil {
		r.Candidate = user.Name
		if invalid {
			r.Cause = authenticator.CausePasswordWrong
		}
		return
	}
	if invalid {
		r.Cause = authenticator.CauseUserUnknown
	}
	r.Details = []authenticator.Detail{
		{Name: "name_length", Value: strconv.Itoa(len(name))},
		{Name: "name_hash", Value: hex.EncodeToString(digest[:hashBytes])},
	}
}
