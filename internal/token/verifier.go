// Package token verifies signed JSON Web Tokens (RFC 7519) in compact serialization
// (RFC 7515), and turns their claims into an identity. It follows RFC 8725: keys are
// bound to algorithms, algorithms are allow-listed, and a token's header selects only
// among known keys.
//
// Cheap checks are made before the signature is verified. Nothing that is read before
// that leaves the package, except in the details of an Error and from
// Unverified.Issuer.
package token

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Verifier verifies the tokens of one issuer. It is safe for concurrent use. Call
// New.
type Verifier struct {
	method         string // of the identities
	issuer         string
	defaultIssuer  string   // of identities without iss, or ""
	audiences      []string // nil accepts any
	extraAudiences []string // of ID tokens
	algorithms     []string
	leeway         time.Duration
	maxAge         time.Duration
	optionalExp    bool
	typ            string // as normalType returns it, or ""
	sources        map[string][]claimSource
	customFields   map[string]bool // the fields in Config.Map
	skippedClaims  func(claims []string)
	requirements   []requirement
	keys           KeySource
	now            func() time.Time
	cache          tokenCache
}

// Token is a verified token.
type Token struct {
	// Identity is the caller. All its fields come from the token.
	Identity *authenticator.Identity
	// Confirmation says to which keys the token is bound. Unless it is zero, the token
	// is valid only with a proof of each, which the caller has to check.
	Confirmation Confirmation
}

// Verify returns the identity of a token that is not bound to a key. An error is an
// *Error. The reason keys_unavailable means that it is unknown whether the token is
// valid.
func (v *Verifier) Verify(raw string) (*authenticator.Identity, error) {
	t, known := v.VerifyCached(raw)
	if !known {
		var err error
		if t, err = v.VerifyLimited(Parse(raw), nil); err != nil {
			return nil, err
		}
	}
	if t.Confirmation != (Confirmation{}) {
		return nil, unbound("the token is bound to a key (cnf), and there is no proof")
	}
	return t.Identity, nil
}

// Limiter waits until a signature may be verified and returns a function to call
// afterwards. An error means that no slot was available.
type Limiter func() (leave func(), err error)

// VerifyLimited verifies a token that is not in the cache. It calls the
// limiter before it verifies a signature. Tokens that fail other checks do not call
// it, and neither does waiting for the issuer's keys. If newer keys are fetched, it
// may be called twice. If the limiter fails, the reason is busy, and the token may
// be valid. A nil limiter does not wait.
func (v *Verifier) VerifyLimited(t Unverified, turn Limiter) (Token, error) {
	generation := v.keys.Generation() // read before the keys, so that a change in between is safe
	verified, err := v.verify(t, turn)
	if err == nil {
		v.cacheToken(t.raw, verified, generation)
	}
	return verified, err
}

// verify is VerifyLimited without storing the result in the cache.
func (v *Verifier) verify(t Unverified, turn Limiter) (Token, error) {
	if t.err != nil {
		return Token{}, t.err
	}
	claims, err := v.checkUnsigned(t)
	if err != nil {
		return Token{}, err
	}
	key, err := v.signedBy(t.jws, turn)
	if err != nil {
		return Token{}, err
	}
	if err := checkSVID(key, claims); err != nil {
		return Token{}, err
	}
	if err := v.checkRequirements(claims); err != nil {
		return Token{}, err
	}
	confirmation, err := ParseConfirmation(claims["cnf"])
	if err != nil {
		return Token{}, err
	}
	id, err := v.identify(claims, kindOf(claims), confirmation.Bound())
	return Token{id, confirmation}, err
}

// checkUnsigned returns the claims of a token after the checks that need no key.
func (v *Verifier) checkUnsigned(t Unverified) (object, error) {
	if err := t.checkAlgorithm(v.algorithms); err != nil {
		return nil, err
	}
	if err := v.checkType(t.header); err != nil {
		return nil, err
	}
	claims, err := t.claims()
	if err != nil {
		return nil, err
	}
	return claims, v.checkClaims(t.jws, claims)
}

// parse parses a token of at most limit bytes with one of the algorithms.
func (v *Verifier) parse(raw string, limit int, algorithms []string) (*jws, error) {
	t, err := parse(raw, limit)
	if err != nil {
		return nil, err
	}
	return t, t.checkAlgorithm(algorithms)
}

// checkAlgorithm rejects tokens with other algorithms.
func (t *jws) checkAlgorithm(algorithms []string) error {
	if slices.Contains(algorithms, t.header.algorithm) {
		return nil
	}
	return refuse(authenticator.ReasonTokenSignature,
		"problem", "the algorithm is not allowed",
		"expected_algorithms", strings.Join(algorithms, " "),
		"received_algorithm", t.header.algorithm)
}

// claimChecks are made before the signature is verified, because they are cheap.
// The first failing check is reported, so that their order is by usefulness for
// debugging: issuer, audience, kind, subject, times.
var claimChecks = []func(*Verifier, header, object) error{
	(*Verifier).checkIssuer,
	(*Verifier).checkAudience,
	(*Verifier).checkKind,
	(*Verifier).checkSubject,
	(*Verifier).checkTimes,
	(*Verifier).checkConfirmation,
}

// checkClaims checks claims that are not verified yet.
func (v *Verifier) checkClaims(t *jws, claims object) error {
	for _, check := range claimChecks {
		if err := check(v, t.header, claims); err != nil {
			return err
		}
	}
	return nil
}

// checkSignature returns an error unless one of the keys verifies the signature.
func (v *Verifier) checkSignature(t *jws) error {
	_, err := v.signedBy(t, nil)
	return err
}

// signedBy returns the key that verifies the signature. If none of the candidates
// does, it fetches newer keys and tries those: an issuer may replace a key without
// changing its kid.
func (v *Verifier) signedBy(t *jws, turn Limiter) (Key, error) {
	candidates, err := v.keys.Candidates(t.header.keyID, t.header.algorithm)
	if err != nil {
		return Key{}, keysUnavailable(t, err)
	}
	key, err := v.tryKeys(t, candidates, turn)
	if err == nil {
		return key, nil
	}
	renewer, renews := v.keys.(Refresher)
	var refusal *Error
	if !renews || !errors.As(err, &refusal) || refusal.Reason != authenticator.ReasonTokenSignature {
		return key, err
	}
	renewed, failure := renewer.RefreshedCandidates(t.header.keyID, t.header.algorithm)
	fresh := slices.DeleteFunc(slices.Clone(renewed), func(k Key) bool { return slices.ContainsFunc(candidates, k.equal) })
	if len(fresh) > 0 {
		return v.tryKeys(t, fresh, turn)
	}
	if failure != nil {
		unavailable := keysUnavailable(t, failure)
		unavailable.BadSignature = refusal.BadSignature
		return Key{}, unavailable
	}
	return Key{}, refusal
}

// keysUnavailable returns the error of a signature that cannot be checked.
func keysUnavailable(t *jws, err error) *Error {
	return refuse(authenticator.ReasonKeysUnavailable, "problem", err.Error(), "received_kid", t.header.keyID)
}

// tryKeys returns the first of at most maxCandidates keys that verifies the
// signature.
func (v *Verifier) tryKeys(t *jws, candidates []Key, turn Limiter) (Key, error) {
	if turn != nil && len(candidates) > 0 {
		leave, err := turn()
		if err != nil {
			return Key{}, refuse(authenticator.ReasonBusy, "problem", err.Error())
		}
		defer leave()
	}
	tried := candidates[:min(len(candidates), maxCandidates)]
	for _, key := range tried {
		if key.verify(t.header.algorithm, t.signed, t.signature) {
			return key, nil
		}
	}
	problem := "the signature is not of any key tried"
	switch {
	case len(candidates) == 0:
		problem = "no key fits the algorithm and the kid"
	case len(tried) < len(candidates):
		problem = fmt.Sprintf("the signature is not of the %d keys tried of %d that fit: the issuer should name the key by a kid", len(tried), len(candidates))
	}
	refusal := refuse(authenticator.ReasonTokenSignature, "problem", problem,
		"received_kid", t.header.keyID, "received_algorithm", t.header.algorithm)
	refusal.BadSignature = len(tried) > 0 && len(tried) == len(candidates)
	return Key{}, refusal
}

// checkSVID requires a SPIFFE ID as the subject of tokens signed by a key for the
// use jwt-svid (JWT-SVID, section 3.1).
func checkSVID(key Key, claims object) error {
	if subject, _, _ := claims.text("sub"); key.requiresKID && !strings.HasPrefix(subject, "spiffe://") {
		return refuse(authenticator.ReasonTokenMalformed, "problem", "the key is for the use jwt-svid and the sub is no SPIFFE ID", "received_sub", subject)
	}
	return nil
}
