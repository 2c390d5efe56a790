package clientcert

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Limits of what a Verifier remembers.
const (
	maxAccepted = 4096
	maxRejected = 256
	// rejectedFor is how long a certificate that was not accepted is not verified again.
	rejectedFor = 10 * time.Second
)

// Verifier verifies the certificates of a site's clients. It is safe for concurrent use.
type Verifier struct {
	roots    func() *Roots // nil: the TLS server has verified the chain
	names    []nameSource
	accepted *otter.Cache[key, *Caller]
	rejected *otter.Cache[key, rejection]
}

// Caller is what is known of a client by its certificate.
type Caller struct {
	// Leaf is the client's own certificate, or nil if it cannot be read or is too large.
	Leaf *x509.Certificate
	// Verified reports whether a chain leads from it to a trusted authority, is valid now,
	// and is for client authentication.
	Verified bool
	// Identity is who holds it, or nil unless it is verified and names its holder.
	Identity *authenticator.Identity
	// Err is why there is no Identity.
	Err error

	notBefore, notAfter time.Time // when the whole chain is valid
	roots               *Roots    // which it leads to; nil for those of the TLS server
}

// rejection is a Caller without an Identity, and when this was found out.
type rejection struct {
	caller *Caller
	at     time.Time
}

// key identifies what a client presents.
type key [sha256.Size]byte

// NewVerifier returns a verifier of certificates that lead to roots. Without roots, the
// TLS server has to verify them. Names are the sources of the identity, in order of
// preference: see NameSources; nil means DefaultNameSources.
func NewVerifier(roots func() *Roots, names []string) (*Verifier, error) {
	if names == nil {
		names = DefaultNameSources()
	}
	sources, err := parseNameSources(names)
	if err != nil {
		return nil, err
	}
	return &Verifier{
		roots: roots, names: sources,
		accepted: otter.Must(&otter.Options[key, *Caller]{MaximumSize: maxAccepted}),
		rejected: otter.Must(&otter.Options[key, rejection]{MaximumSize: maxRejected}),
	}, nil
}

// Connection returns who is at the other end of a connection, or nil if the client
// presented no certificate. The certificate must be valid now, also on a connection or
// TLS session that is older than it.
func (v *Verifier) Connection(state *tls.ConnectionState, now time.Time) *Caller {
	if state == nil || len(state.PeerCertificates) == 0 {
		return nil
	}
	leaf, others := state.PeerCertificates[0], state.PeerCertificates[1:]
	if v.roots == nil {
		return v.ofServer(leaf, state.VerifiedChains, now)
	}
	if err := checkSize(state.PeerCertificates); err != nil {
		if len(leaf.Raw) > maxCertificate {
			leaf = nil // each denied request would describe it
		}
		return &Caller{Leaf: leaf, Err: err}
	}
	presented := keyOf(state.PeerCertificates)
	if known := v.remembered(presented, now); known != nil {
		return known
	}
	return v.remember(presented, v.verify(leaf, others, now), now)
}

// Forwarded returns who holds the certificate in the lines of two headers, which
// ParseForwarded parses, or nil if there are none. Only a proxy that verifies possession
// of the key, and that lets no client set the headers, can be believed. It needs roots. An
// empty byte sequence is no certificate: proxies send it for clients without one.
func (v *Verifier) Forwarded(leaf, chain []string, now time.Time) *Caller {
	if len(chain) == 0 && (len(leaf) == 0 || len(leaf) == 1 && leaf[0] == "::") {
		return nil
	}
	if v.roots == nil {
		return &Caller{Err: errNoRoots}
	}
	presented := keyOfLines(leaf, chain)
	if known := v.remembered(presented, now); known != nil {
		return known
	}
	certificate, others, err := ParseForwarded(leaf, chain)
	if err != nil {
		return v.remember(presented, &Caller{Leaf: certificate, Err: err, roots: v.roots()}, now)
	}
	return v.remember(presented, v.verify(certificate, others, now), now)
}

// remembered returns the result of an earlier look at the same certificates, or nil.
func (v *Verifier) remembered(presented key, now time.Time) *Caller {
	roots := v.roots()
	if known, ok := v.accepted.GetIfPresent(presented); ok && known.roots == roots && known.validAt(now) {
		return known
	}
	if known, ok := v.rejected.GetIfPresent(presented); ok && known.caller.roots == roots && !now.Before(known.at) && now.Before(known.at.Add(rejectedFor)) {
		return known.caller
	}
	return nil
}

func (v *Verifier) remember(presented key, caller *Caller, now time.Time) *Caller {
	if caller.Identity != nil {
		v.accepted.Set(presented, caller)
	} else {
		v.rejected.Set(presented, rejection{caller, now})
	}
	return caller
}

// verify verifies a certificate by the roots.
func (v *Verifier) verify(leaf *x509.Certificate, others []*x509.Certificate, now time.Time) *Caller {
	roots := v.roots()
	options := x509.VerifyOptions{
		Roots: roots.pool, Intermediates: x509.NewCertPool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, other := range others {
		options.Intermediates.AddCert(other)
	}
	chains, err := leaf.Verify(options)
	if err == nil {
		err = checkUsage(leaf)
	}
	if err != nil {
		return &Caller{Leaf: leaf, Err: describe(err), roots: roots}
	}
	shortest := slices.MinFunc(chains, func(a, b []*x509.Certificate) int { return len(a) - len(b) })
	return v.holder(shortest, roots)
}

// fromHandshake returns the holder of a certificate whose chains the TLS server verified in
// the handshake, or in an earlier one of the same TLS session. The validity is checked
// again, because connections and sessions outlive certificates.
func (v *Verifier) ofServer(leaf *x509.Certificate, chains [][]*x509.Certificate, now time.Time) *Caller {
	if err := checkUsage(leaf); err != nil {
		return &Caller{Leaf: leaf, Err: err}
	}
	if len(chains) == 0 {
		return &Caller{Leaf: leaf, Err: errUnverified}
	}
	for _, chain := range chains {
		notBefore, notAfter := validity(chain)
		if len(chain) == 0 || !chain[0].Equal(leaf) || now.Before(notBefore) || now.After(notAfter) {
			continue
		}
		verified := keyOf(chain)
		if known, ok := v.accepted.GetIfPresent(verified); ok {
			return known
		}
		return v.remember(verified, v.holder(chain, nil), now)
	}
	return &Caller{Leaf: leaf, Err: errExpired}
}

// holder returns the holder of the first certificate of a verified chain.
func (v *Verifier) holder(chain []*x509.Certificate, roots *Roots) *Caller {
	caller := &Caller{Leaf: chain[0], Verified: true, roots: roots}
	caller.notBefore, caller.notAfter = validity(chain)
	caller.Identity, caller.Err = v.identity(chain[0], chain[len(chain)-1], caller.notAfter)
	return caller
}

func (c *Caller) validAt(now time.Time) bool {
	return !now.Before(c.notBefore) && !now.After(c.notAfter)
}

// validity returns when all certificates of a chain are valid.
func validity(chain []*x509.Certificate) (notBefore, notAfter time.Time) {
	for i, certificate := range chain {
		if i == 0 || certificate.NotBefore.After(notBefore) {
			notBefore = certificate.NotBefore
		}
		if i == 0 || certificate.NotAfter.Before(notAfter) {
			notAfter = certificate.NotAfter
		}
	}
	return notBefore, notAfter
}
