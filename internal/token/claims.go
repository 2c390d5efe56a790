package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// maxSeconds is the last second of the year 9999, the end of RFC 3339.
const maxSeconds = 253402300799

// checkIssuer compares iss (RFC 7519, section 4.1.1; RFC 8725, section 3.8).
func (v *Verifier) checkIssuer(_ header, claims object) error {
	issuer, present, err := claims.text("iss")
	if err != nil {
		return malformed("the payload %v", err)
	}
	if v.issuer != "" && (!present || issuer != v.issuer) {
		refusal := refuse(authenticator.ReasonTokenIssuer, "expected_issuer", v.issuer, "received_issuer", issuer)
		refusal.add("hint", IssuerHint(v.issuer, issuer))
		return refusal
	}
	return nil
}

// checkAudience compares aud, one string or a list of them (RFC 7519, section
// 4.1.3; RFC 8725, section 3.9).
func (v *Verifier) checkAudience(_ header, claims object) error {
	received, err := audiences(claims)
	if err != nil {
		return malformed("the payload %v", err)
	}
	if v.audiences == nil {
		return nil
	}
	for _, audience := range received {
		if slices.Contains(v.audiences, audience) {
			return nil
		}
	}
	return refuse(authenticator.ReasonTokenAudience,
		"expected_audience", strings.Join(v.audiences, " "),
		"received_audience", strings.Join(received, " "))
}

// audiences returns the values of aud, none if it is absent.
func audiences(claims object) ([]string, error) {
	switch aud := claims["aud"].(type) {
	case string:
		return []string{aud}, nil
	case nil, []any:
		list, _, err := claims.texts("aud")
		return list, err
	}
	return nil, errors.New("has an aud that is neither a string nor a list of strings")
}

// checkSubject requires sub to be a string if it is present.
func (v *Verifier) checkSubject(_ header, claims object) error {
	if _, _, err := claims.text("sub"); err != nil {
		return malformed("the payload %v", err)
	}
	return nil
}

// checkIssuedAt requires iat, which ID tokens (OpenID Connect Core, section 2) and
// logout tokens must have.
func (v *Verifier) checkIssuedAt(_ header, claims object) error {
	if !hasClaim(claims, "iat") {
		return malformed("the payload has no iat")
	}
	return nil
}

// checkTimes checks exp, nbf and iat (RFC 7519, sections 4.1.4 to 4.1.6).
func (v *Verifier) checkTimes(_ header, claims object) error {
	exp, hasExp, errExp := claims.time("exp")
	nbf, hasNbf, errNbf := claims.time("nbf")
	iat, hasIat, errIat := claims.time("iat")
	for _, err := range []error{errExp, errNbf, errIat} {
		if err != nil {
			return malformed("the payload %v", err)
		}
	}
	now := v.now()
	outside := func(reason authenticator.Reason, claim string, at time.Time) error {
		return refuse(reason, "clock", formatTime(now), "received_"+claim, formatTime(at), "leeway", v.leeway.String())
	}
	switch {
	case !hasExp && !v.optionalExp:
		return malformed("the payload has no exp")
	case v.maxAge > 0 && !hasIat:
		return malformed("the payload has no iat, which max_token_age needs")
	case hasExp && !now.Before(exp.Add(v.leeway)):
		return outside(authenticator.ReasonTokenExpired, "exp", exp)
	case hasNbf && now.Before(nbf.Add(-v.leeway)):
		return outside(authenticator.ReasonTokenNotYetValid, "nbf", nbf)
	case hasIat && iat.After(now.Add(v.leeway)):
		return outside(authenticator.ReasonTokenNotYetValid, "iat", iat)
	case v.maxAge > 0 && !now.Before(iat.Add(v.maxAge).Add(v.leeway)):
		return outside(authenticator.ReasonTokenExpired, "iat", iat)
	}
	return nil
}

// time returns the NumericDate with a name (RFC 7519, section 2): a number of
// seconds since 1970, which may have a fraction.
func (o object) time(name string) (at time.Time, present bool, err error) {
	member := o[name]
	if member == nil {
		return time.Time{}, false, nil
	}
	number, ok := member.(json.Number)
	if !ok {
		return time.Time{}, true, fmt.Errorf("has a %s that is not a number", name)
	}
	seconds, err := strconv.ParseFloat(number.String(), 64)
	if err != nil || math.Signbit(seconds) || seconds > maxSeconds {
		return time.Time{}, true, fmt.Errorf("has a %s out of range", name)
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*float64(time.Second))), true, nil
}

// formatTime returns a time for logs.
func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }
