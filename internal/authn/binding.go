package authn

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/dpop"
	"github.com/policyauth/caddy-policy-auth/internal/fairqueue"
	"github.com/policyauth/caddy-policy-auth/internal/placement"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// BindingOption are the options of methods whose tokens may be bound to a key of their
// holder. A bound token is accepted only with a proof of that key, with or without these
// options.
type BindingOption struct {
	// Accepts only tokens that are bound to a key by cnf.jkt and sent with a DPoP proof
	// (RFC 9449). Default: tokens that are not bound are accepted, too.
	RequireDPoP bool `json:"require_dpop,omitempty"`

	// Accepts only tokens that are bound to a client certificate by cnf.x5t#S256 (RFC
	// 8705), on connections with that certificate. Default: tokens that are not bound
	// are accepted, too.
	RequireCertificateBinding bool `json:"require_certificate_binding,omitempty"`

	proofs  *dpop.Verifier // nil without a store
	release func()         // of its store, or nil
}

// keepProofs gives each method that takes DPoP proofs a verifier that remembers used ones
// in the store of the site's sessions, or else in the default store of this machine, which
// opens at its first use. If there is no store, it warns, and such tokens get 503.
func keepProofs(ctx caddy.Context, methods []Method, sessions *Session) {
	for _, method := range methods {
		user, ok := method.Authenticator.(interface{ keepProofs(*dpop.Verifier, func()) })
		if !ok || !slices.Contains(method.Sources(), dpopSource) {
			continue
		}
		shared, release, err := sessions.store().acquire(ctx.Storage())
		if err != nil {
			ctx.Logger().Warn("tokens with a DPoP proof get 503, because the store that remembers used proofs cannot be opened; correct session { store } or the rights of Caddy's data directory", zap.Error(err))
			return
		}
		user.keepProofs(shared.proofs, release)
	}
}

// warnNoCertificates logs a warning for each method that requires tokens bound to a client
// certificate on a site whose connections never have one.
func warnNoCertificates(ctx caddy.Context, methods []Method) {
	for _, method := range methods {
		bound, ok := method.Authenticator.(interface{ requiresCertificate() bool })
		if ok && bound.requiresCertificate() && placement.CheckClientAuth(ctx, true) != nil {
			ctx.Logger().Warn("no token can be accepted with require_certificate_binding, because no TLS connection of this site asks clients for a certificate: add client_auth { mode request } to the site's tls directive; behind a proxy that ends TLS, use require_dpop", zap.String("method", method.Name))
		}
	}
}

func (b *BindingOption) requiresCertificate() bool { return b.RequireCertificateBinding }

// keepProofs sets the verifier of proofs. Release is called when it is no longer used.
func (b *BindingOption) keepProofs(proofs *dpop.Verifier, release func()) {
	b.proofs, b.release = proofs, release
}

// releaseProofs lets go of the store.
func (b *BindingOption) releaseProofs() {
	if b.release != nil {
		b.release()
	}
}

// parseBinding adds the subdirectives
//
//	require_dpop
//	require_certificate_binding
func (b *BindingOption) parseBinding(words caddyfileutil.Subdirectives) caddyfileutil.Subdirectives {
	words["require_dpop"] = caddyfileutil.Flag(&b.RequireDPoP)
	words["require_certificate_binding"] = caddyfileutil.Flag(&b.RequireCertificateBinding)
	return words
}

// checkBinding reports a place from which no token with a DPoP proof is read.
func (b *BindingOption) checkBinding(place *TokenPlace) error {
	if b.RequireDPoP && place.From != "" && place.From != "bearer" {
		return fmt.Errorf("require_dpop is about Authorization: DPoP, and from %s does not read it; leave one of the two out", place.From)
	}
	return nil
}

// dpopSource is where DPoP-bound tokens are; their proof is in the header DPoP.
var dpopSource = authenticator.FromScheme("DPoP")

// prove returns the outcome of a verified token that the credential c holds: Accepted
// if the request proves possession of each key to which the token is bound. Order: token,
// proof, then the proof's jti (S-24).
func (b *BindingOption) prove(r *http.Request, c authenticator.Credential, raw string, t token.Token) authenticator.Outcome {
	withProof := c.Source == dpopSource
	if t.Confirmation == (token.Confirmation{}) && !withProof && !b.RequireDPoP && !b.RequireCertificateBinding {
		return authenticator.Accept(t.Identity)
	}
	outcome := authenticator.Accept(t.Identity)
	if problem := b.mismatch(r, withProof, t.Confirmation); problem != "" {
		outcome = authenticator.Reject(authenticator.ReasonTokenUnbound, authenticator.Detail{Name: "problem", Value: problem})
	} else if withProof {
		outcome = b.verifyProof(r, raw, t)
	}
	if outcome.Verdict != authenticator.Accepted {
		outcome.Candidate = t.Identity.ID
	}
	return outcome
}

// mismatch returns why a token is not bound as it was sent, or as the site requires, or
// "". It does not verify the proof.
func (b *BindingOption) mismatch(r *http.Request, withProof bool, confirmation token.Confirmation) string {
	switch {
	case confirmation.KeyThumbprint != "" && !withProof:
		return "the token is bound to a key (cnf.jkt) and was not sent with the scheme DPoP: send Authorization: DPoP and a proof"
	case confirmation.KeyThumbprint == "" && withProof:
		return "the token was sent with the scheme DPoP and is not bound to a key (cnf.jkt)"
	case b.RequireDPoP && !withProof:
		return "require_dpop: the token is not bound to a key (cnf.jkt)"
	case b.RequireCertificateBinding && confirmation.CertificateThumbprint == "":
		return "require_certificate_binding: the token is not bound to a certificate (cnf.x5t#S256)"
	case confirmation.CertificateThumbprint == "":
		return ""
	}
	switch got := certificateThumbprint(r); got {
	case "":
		return "the token is bound to a client certificate (cnf.x5t#S256), and the connection has no certificate of the caller: add client_auth to the site's tls; behind a proxy that ends TLS, such a token cannot be used"
	case confirmation.CertificateThumbprint:
		return ""
	}
	return "the client certificate is not the one to which the token is bound (cnf.x5t#S256)"
}

// certificateThumbprint returns the SHA-256 of the DER of the certificate of the
// connection, as in x5t#S256 (RFC 8705, section 3.1). It is "" without one, and for a peer
// in trusted_proxies, whose certificate is never the caller's (S-20).
func certificateThumbprint(r *http.Request) string {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	if trusted || r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return ""
	}
	sum := sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// provenKey is the request variable with the proof that a policy_auth handler accepted:
// a second handler verifies it again, but it counts as used only once.
const provenKey = "policy_auth_proof"

// proven is an accepted proof, by its ID. Its type is our own, so that no other handler
// can set it.
type proven string

// verifyProof verifies the DPoP proof of a request.
func (b *BindingOption) verifyProof(r *http.Request, raw string, t token.Token) authenticator.Outcome {
	if b.proofs == nil {
		return authenticator.Outcome{Verdict: authenticator.Unavailable, Reason: authenticator.ReasonStoreUnavailable, Err: errors.New("there is no store for used proofs")}
	}
	client := clientOf(r)
	method, uri := externalURI(r)
	proof := dpop.Proof{Lines: r.Header[dpopSource.ProofHeader()], Method: method, URI: uri, Token: raw, Thumbprint: t.Confirmation.KeyThumbprint, Client: client}
	checked, err := b.proofs.Check(r.Context(), proof, func() (func(), error) { return signatures.Release, signatures.Acquire(r.Context(), client) })
	if err == nil && caddyhttp.GetVar(r.Context(), provenKey) != proven(checked.ID()) {
		err = b.proofs.Remember(r.Context(), checked)
	}
	if err != nil {
		return unproven(err)
	}
	caddyhttp.SetVar(r.Context(), provenKey, proven(checked.ID()))
	return authenticator.Accept(t.Identity)
}

// externalURI returns the method and the URI of a request as the client sent them, before
// any rewrite. The scheme is that of the connection, or what a trusted proxy says; the
// host is Host alone (R-DP-5).
func externalURI(r *http.Request) (method, uri string) {
	method, path := r.Method, r.URL.EscapedPath()
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		method, path = original.Method, original.URL.EscapedPath()
	}
	scheme := "http"
	if isHTTPS(r) {
		scheme = "https"
	}
	return method, scheme + "://" + r.Host + path
}

// unproven returns the outcome for a proof that is not accepted.
func unproven(err error) authenticator.Outcome {
	refusal, ok := errors.AsType[*dpop.Error](err)
	if !ok {
		return authenticator.Fail(err)
	}
	outcome := authenticator.Reject(refusal.Reason, authenticator.Detail{Name: "problem", Value: refusal.Problem})
	if refusal.Expected != "" {
		outcome.Details = append(outcome.Details, authenticator.Detail{Name: "expected_htu", Value: refusal.Expected}, authenticator.Detail{Name: "received_htu", Value: refusal.Received})
	}
	outcome.DPoPNonce, outcome.RetryAfter = refusal.Nonce, refusal.RetryAfter
	switch refusal.Reason {
	case authenticator.ReasonBusy:
		outcome.Verdict, outcome.RetryAfter = authenticator.Unavailable, max(refusal.RetryAfter, fairqueue.RetryAfter)
	case authenticator.ReasonStoreUnavailable:
		outcome.Verdict, outcome.Err = authenticator.Unavailable, refusal
	}
	return outcome
}
