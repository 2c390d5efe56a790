package login

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// maxACRValues is the maximum length of acr_values, in bytes. Anyone can write them
// into the URL, and they are stored until the sign-in ends.
const maxACRValues = 1024

// parseStepUp reads the step-up parameters of the sign-in page. If a user changes
// them to weaker ones, the policy denies the request again after the sign-in.
func parseStepUp(query url.Values) oidc.StepUp {
	stepUp := oidc.NoStepUp
	strange := func(c rune) bool { return c == utf8.RuneError || !unicode.IsPrint(c) }
	if text := query.Get("acr_values"); len(text) <= maxACRValues && !strings.ContainsFunc(text, strange) {
		stepUp.ACRValues = strings.Fields(text)
	}
	if seconds, err := strconv.ParseInt(query.Get("max_age"), 10, 32); err == nil && seconds >= 0 {
		stepUp.MaxAge = seconds
	}
	return stepUp
}

// isStepUp reports whether a sign-in has requirements.
func isStepUp(ask oidc.StepUp) bool { return len(ask.ACRValues) > 0 || ask.MaxAge >= 0 }

// limitAge adds max_auth_age to the requirements of a sign-in. The transaction keeps the
// requirements without it, because they tell a step-up from other sign-ins.
func (v *Request) limitAge(stepUp oidc.StepUp) oidc.StepUp {
	limit := int64(v.Sessions.MaxAuthAge() / time.Second)
	if limit > 0 && (stepUp.MaxAge < 0 || limit < stepUp.MaxAge) {
		stepUp.MaxAge = limit
	}
	return stepUp
}

// signInAnew reports whether a new session would already be too old for max_auth_age,
// and if so returns the requirement of a new sign-in. Leeway for clocks admits such
// sign-ins, which a provider considers recent. If a new sign-in was required before, it
// returns false, so that there is no loop.
func (v *Request) signInAnew(t Transaction, record session.Record) (oidc.StepUp, bool) {
	stepUp := t.StepUp
	if stepUp.MaxAge == 0 || !errors.Is(v.Sessions.CheckAuthTime(record.Identity), session.ErrAuthTime) {
		return stepUp, false
	}
	stepUp.MaxAge = 0
	return stepUp, true
}
