// Package dpop verifies DPoP proofs (RFC 9449): that the sender of a request has the
// private key to which its access token is bound. It does not verify access tokens.
//
// Verify the token first, then call Verifier.Check with the proof, which needs no store,
// and at last Verifier.Remember, which refuses a proof that was used before.
package dpop

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/store"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

const (
	// maxProof is the length of the longest proof, in bytes.
	maxProof = 8 << 10
	// maxID is the length of the longest jti, in bytes (R-DP-6).
	maxID = 256
	// maxAge is how old a proof without a nonce may be, and maxAhead how far a client's
	// clock may be ahead.
	maxAge   = 60 * time.Second
	maxAhead = 5 * time.Second
	// proofType is the typ of proofs.
	proofType = "dpop+jwt"
)

// Algorithms returns the values of alg that proofs may have, in the order to offer.
// Ed25519 is both EdDSA (RFC 8037) and Ed25519 (RFC 9864).
func Algorithms() []string { return slices.Clone(algorithms) }

var algorithms = []string{"ES256", "ES384", "ES512", "Ed25519", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"}

// Proof is the proof of a request with what it has to fit.
type Proof struct {
	// Lines are the values of the header DPoP.
	Lines []string
	// Method is the method of the request, and URI its URI as the client sees it; the
	// query does not matter.
	Method, URI string
	// Token is the access token, and Thumbprint the JWK thumbprint of the key to which
	// the token is bound (jkt).
	Token, Thumbprint string
	// Client is the address of the client, with whose network it shares the memory of
	// used proofs.
	Client netip.Addr
}

// Config configures a Verifier.
type Config struct {
	// Store remembers which proofs were used.
	Store store.Store
	// NonceKey returns the key that makes and verifies nonces. All machines of a site
	// have the same. Errors mean that it is unavailable.
	NonceKey func(context.Context) ([]byte, error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Verifier verifies proofs. It is safe for concurrent use. All sites that share a store
// share a Verifier, so that a proof is used once.
type Verifier struct {
	store  store.Store
	nonces nonces
	now    func() time.Time
	shares *shares
	// complete is the time from which on the store has every used proof, in nanoseconds
	// since 1970. A restart or a failure may have lost older ones (S-40).
	complete atomic.Int64
	// marker is the key of an item that the store has as long as it has kept everything
	// that this process put there, once marked.
	marker string
	marked atomic.Bool
}

// New returns a Verifier. Proofs that were made before it are refused, because the store
// may not know them.
func New(c Config) *Verifier {
	if c.Now == nil {
		c.Now = time.Now
	}
	v := &Verifier{store: c.Store, nonces: nonces{key: c.NonceKey}, now: c.Now, shares: new(shares), marker: "dpop-kept/" + rand.Text()}
	v.complete.Store(c.Now().UnixNano())
	return v
}

// Checked is a proof that is valid unless it was used before.
type Checked struct {
	id         string        // of the proof, unique for its key, URI and jti
	thumbprint string        // of its key
	client     netip.Addr    // that sent it
	left       time.Duration // how long it stays valid
	complete   int64         // what Verifier.complete was
}

// ID returns the identifier of the proof. Two proofs with the same one are the same.
func (c *Checked) ID() string { return c.id }

// Check makes all checks of a proof (RFC 9449, section 4.3) except whether it was used
// before. It calls turn before it verifies the signature, after all cheaper checks; a
// nil turn does not wait. Errors are *Error values.
func (v *Verifier) Check(ctx context.Context, p Proof, turn token.Limiter) (*Checked, error) {
	jwt, err := parse(p)
	if err != nil {
		return nil, err
	}
	id, err := checkClaims(jwt, p)
	if err != nil {
		return nil, err
	}
	issued, present, err := jwt.Time("iat")
	if err != nil || !present {
		return nil, invalid("the proof has no iat, or it is not a number of seconds")
	}
	if err := verifySignature(jwt, turn); err != nil {
		return nil, err
	}
	complete := v.complete.Load()
	left, err := v.checkFresh(ctx, jwt, issued, time.Unix(0, complete))
	if err != nil {
		return nil, err
	}
	return &Checked{id: id, thumbprint: jwt.Thumbprint, client: p.Client, left: left, complete: complete}, nil
}

// parse returns the only proof of a request, whose key and type are right (checks 1, 2,
// 4, 5, 7 and 12).
func parse(p Proof) (*token.SelfSigned, error) {
	switch {
	case len(p.Lines) == 0:
		return nil, invalid("the request has no DPoP header")
	case len(p.Lines) > 1:
		return nil, invalid("the request has more than one DPoP header")
	}
	jwt, err := token.ParseSelfSigned(p.Lines[0], maxProof)
	if err != nil {
		return nil, &Error{Reason: authenticator.ReasonProofInvalid, Problem: "the proof is not a JWT with a public key of its own", Err: err}
	}
	switch {
	case jwt.Type != proofType:
		return nil, invalid("the typ of the proof is not " + proofType)
	case !slices.Contains(algorithms, jwt.Algorithm):
		return nil, invalid("the algorithm of the proof is not allowed")
	case jwt.Thumbprint != p.Thumbprint:
		return nil, invalid("the key of the proof is not the one to which the token is bound")
	}
	return jwt, nil
}

// checkClaims compares the claims of a proof with the request (checks 3, 8, 9 and 12),
// and returns the proof's identifier.
func checkClaims(jwt *token.SelfSigned, p Proof) (string, error) {
	values := make([]string, 4)
	for i, name := range []string{"jti", "htm", "htu", "ath"} {
		value, _, _ := jwt.Text(name) // "" if it is absent or no string
		if value == "" {
			return "", invalid("the proof has no " + name + ", or it is empty or not a string")
		}
		values[i] = value
	}
	jti, method, uri, hash := values[0], values[1], values[2], values[3]
	switch {
	case len(jti) > maxID:
		return "", invalid("the jti of the proof is too long")
	case method != p.Method:
		return "", invalid("the htm of the proof is not the method of the request")
	case !SameURI(uri, p.URI):
		return "", &Error{Reason: authenticator.ReasonProofInvalid, Problem: "the htu of the proof is not the URI of the request", Expected: withoutQuery(p.URI), Received: withoutQuery(uri)}
	case hash != AccessTokenHash(p.Token):
		return "", invalid("the ath of the proof is not the hash of the token")
	}
	return digest(jwt.Thumbprint, uri, jti), nil
}

// AccessTokenHash returns the ath of an access token (RFC 9449, section 4.2).
func AccessTokenHash(accessToken string) string {
	sum := sha256.Sum256([]byte(accessToken))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// digest returns the hash of parts in base64url, in which no two lists of parts are
// alike.
func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		sum := sha256.Sum256([]byte(part))
		h.Write(sum[:])
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// verifySignature checks the signature (check 6) when it is the request's turn.
func verifySignature(jwt *token.SelfSigned, turn token.Limiter) error {
	if turn != nil {
		leave, err := turn()
		if err != nil {
			return &Error{Reason: authenticator.ReasonBusy, Problem: "too many signatures wait to be checked", Err: err}
		}
		defer leave()
	}
	if !jwt.VerifySignature() {
		return invalid("the signature of the proof does not verify with the key in its header")
	}
	return nil
}

// checkFresh returns how long a proof stays valid (checks 10 and 11), at most maxAge and
// maxAhead: since iat, or since its nonce was made, whatever the client's clock says. A
// proof that is too old, or that the store may have forgotten, is answered with a nonce
// for the next one (RFC 9449, sections 8 and 11.1).
func (v *Verifier) checkFresh(ctx context.Context, jwt *token.SelfSigned, issued, complete time.Time) (time.Duration, error) {
	now := v.now()
	nonce, hasNonce, err := jwt.Text("nonce")
	if err != nil {
		return 0, invalid("the nonce of the proof is not a text")
	}
	since, problem := issued, stale(issued, complete, now)
	if hasNonce {
		made, err := v.nonces.time(ctx, nonce)
		age := now.Sub(made)
		switch {
		case err != nil:
			return 0, unavailable(err)
		case age > maxNonceAge || age < -maxAhead:
			return 0, v.askNonce(ctx, "the nonce of the proof is not one of this server, or it is too old")
		case age <= maxAge && !made.Before(complete) && (problem != "" || made.After(since)):
			since, problem = made, ""
		}
	}
	if problem != "" {
		return 0, v.askNonce(ctx, problem)
	}
	return since.Add(maxAge).Sub(now) + time.Second, nil
}

// stale returns why a proof does not count as fresh by its iat, or "".
func stale(issued, complete, now time.Time) string {
	switch {
	case now.Sub(issued) > maxAge:
		return "the proof is too old, or the client's clock is slow"
	case issued.Sub(now) > maxAhead:
		return "the proof is from the future: the client's clock is fast"
	case issued.Before(complete.Add(maxAhead)): // a client's clock may be ahead
		return "the proof may be older than the memory of used proofs, which began just now"
	}
	return ""
}

// askNonce returns the error that asks for a proof with a new nonce.
func (v *Verifier) askNonce(ctx context.Context, problem string) error {
	nonce, err := v.nonces.make(ctx, v.now())
	if err != nil {
		return unavailable(err)
	}
	return &Error{Reason: authenticator.ReasonProofInvalid, Problem: problem, Nonce: nonce}
}
