package users

import (
	"encoding/hex"
	"strconv"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// hashBytes is how many bytes of a keyed hash are logged: enough to recognize log
// lines about the same name.
const hashBytes = 8

// addLogDetails adds to a failed attempt what the log says about its name: the name
// of an existing user, or else the length in bytes and a hash with the process's
// random key. An unknown name may be a password typed into the wrong field and is
// therefore never logged (S-42). The hash is computed for existing names too, so
// that all attempts take the same time.
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
