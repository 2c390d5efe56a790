package clientcert

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/clientcert/certtest"
)

// rootsOf returns what reads the roots of authorities.
func rootsOf(t testing.TB, authorities ...*certtest.CA) func() *Roots {
	t.Helper()
	var data []byte
	for _, ca := range authorities {
		data = append(data, ca.PEM()...)
	}
	roots, err := NewRoots(map[string][]byte{"ca.pem": data})
	if err != nil {
		t.Fatal(err)
	}
	return func() *Roots { return roots }
}

func newVerifier(t testing.TB, roots func() *Roots, names ...string) *Verifier {
	t.Helper()
	v, err := NewVerifier(roots, names)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// presenting is the state of a connection whose client presents certificates that the
// TLS server has not verified.
func presenting(certificates ...*x509.Certificate) *tls.ConnectionState {
	return &tls.ConnectionState{PeerCertificates: certificates}
}

// named gives a certificate a DNS name.
func named(c *x509.Certificate) { c.DNSNames = []string{"web.example.com"} }

// usages gives it extended key usages as well.
func usages(list ...x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) { named(c); c.ExtKeyUsage = list }
}

// valid gives it a time as well, in hours from now.
func valid(from, to int) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		named(c)
		c.NotBefore, c.NotAfter = time.Now().Add(time.Duration(from)*time.Hour), time.Now().Add(time.Duration(to)*time.Hour)
	}
}

// TestT64RMT4Verify: T-64, R-MT-4, S-20. With roots, a chain to them for client
// authentication that is valid now is an identity, and nothing else.
func TestT64RMT4Verify(t *testing.T) {
	ca, other := certtest.New(t, "root"), certtest.New(t, "other")
	middle := ca.Intermediate(t, "middle")
	servers := ca.Intermediate(t, "servers", x509.ExtKeyUsageServerAuth)
	middles := make([]*x509.Certificate, maxIntermediates+1)
	for i := range middles {
		middles[i] = middle.Certificate
	}
	issue := func(by *certtest.CA, change func(*x509.Certificate)) *x509.Certificate {
		return by.Issue(t, change).Leaf
	}
	for name, test := range map[string]struct {
		chain []*x509.Certificate
		err   error
	}{
		"good":                           {[]*x509.Certificate{issue(ca, named)}, nil},
		"by an intermediate":             {[]*x509.Certificate{issue(middle, named), middle.Certificate}, nil},
		"the root as well":               {[]*x509.Certificate{issue(middle, named), middle.Certificate, ca.Certificate}, nil},
		"an intermediate that is absent": {[]*x509.Certificate{issue(middle, named)}, errUnknown},
		"of another authority":           {[]*x509.Certificate{issue(other, named), other.Certificate}, errUnknown},
		"signed by a leaf":               {[]*x509.Certificate{issue(other, named), issue(ca, named)}, errUnknown},
		"for servers":                    {[]*x509.Certificate{issue(ca, usages(x509.ExtKeyUsageServerAuth))}, errUsage},
		"for no named use":               {[]*x509.Certificate{issue(ca, usages())}, errUsage},
		"by one for servers":             {[]*x509.Certificate{issue(servers, named), servers.Certificate}, errUsage},
		"for any use":                    {[]*x509.Certificate{issue(ca, usages(x509.ExtKeyUsageAny))}, errUsage},
		"for both":                       {[]*x509.Certificate{issue(ca, usages(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth))}, nil},
		"expired":                        {[]*x509.Certificate{issue(ca, valid(-2, -1))}, errExpired},
		"not valid yet":                  {[]*x509.Certificate{issue(ca, valid(1, 2))}, errExpired},
		"without a name":                 {[]*x509.Certificate{issue(ca, nil)}, errNoName},
		"too many":                       {append([]*x509.Certificate{issue(middle, named)}, middles...), errTooMany},
		"as many as may be":              {append([]*x509.Certificate{issue(middle, named)}, middles[1:]...), nil},
		"too large": {[]*x509.Certificate{issue(ca, func(c *x509.Certificate) {
			named(c)
			c.Subject.Organization = []string{string(make([]byte, maxCertificate))}
		})}, errTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t, rootsOf(t, ca))
			for _, when := range []string{"first", "remembered"} {
				caller := v.Connection(presenting(test.chain...), time.Now())
				if caller.Err != test.err || (caller.Identity == nil) == (test.err == nil) || caller.Leaf != test.chain[0] && test.err != errTooLarge {
					t.Errorf("%s: %+v, want %v", when, caller, test.err)
				}
				if caller.Verified != (test.err == nil || test.err == errNoName) {
					t.Errorf("%s: verified is %v", when, caller.Verified)
				}
			}
		})
	}
	v := newVerifier(t, rootsOf(t, ca))
	if v.Connection(nil, time.Now()) != nil || v.Connection(presenting(), time.Now()) != nil || v.Forwarded(nil, nil, time.Now()) != nil {
		t.Error("a client without a certificate is one with a bad one")
	}
}

// TestRMT5ExpiresMeanwhile: R-MT-5. A certificate is valid at each request, also of a
// connection that is older; so are the authorities above it.
func TestRMT5ExpiresMeanwhile(t *testing.T) {
	ca := certtest.New(t, "root")
	middle := ca.Intermediate(t, "middle")
	leaf := middle.Issue(t, valid(-1, 48)).Leaf
	for name, test := range map[string]struct {
		verifier *Verifier
		state    *tls.ConnectionState
	}{
		"own roots":         {newVerifier(t, rootsOf(t, ca)), presenting(leaf, middle.Certificate)},
		"by the TLS server": {newVerifier(t, nil), &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf, middle.Certificate, ca.Certificate}}}},
	} {
		end := middle.Certificate.NotAfter
		for _, look := range []struct {
			at    time.Time
			valid bool
		}{
			{time.Now(), true}, {end, true}, {end.Add(time.Second), false}, {end, true}, {time.Now().Add(-90 * time.Minute), false}, {time.Now(), true},
		} {
			caller := test.verifier.Connection(test.state, look.at)
			if (caller.Identity != nil) != look.valid || caller.Verified != look.valid || !look.valid && caller.Err != errExpired {
				t.Errorf("%s, at %s: %+v", name, look.at, caller)
			}
			if look.valid && caller.Identity.ExpiresAt != end.Unix() {
				t.Errorf("%s: expires at %d", name, caller.Identity.ExpiresAt)
			}
		}
	}
}

// TestRemembered: what is remembered ends with the roots that it was verified by, and a
// certificate that was not valid yet counts soon after it is.
func TestRemembered(t *testing.T) {
	ca, other := certtest.New(t, "root"), certtest.New(t, "other")
	current := rootsOf(t, ca)
	v := newVerifier(t, func() *Roots { return current() })
	state := presenting(ca.Issue(t, named).Leaf)
	now := time.Now()
	if caller := v.Connection(state, now); caller.Identity == nil {
		t.Fatal(caller.Err)
	}
	current = rootsOf(t, other)
	if caller := v.Connection(state, now); caller.Identity != nil || caller.Err != errUnknown {
		t.Errorf("without its root: %+v", caller)
	}
	current = rootsOf(t, other, ca)
	if caller := v.Connection(state, now); caller.Identity == nil {
		t.Errorf("with its root again: %v", caller.Err)
	}
	later := presenting(ca.Issue(t, valid(1, 2)).Leaf)
	start := later.PeerCertificates[0].NotBefore
	if caller := v.Connection(later, start.Add(-time.Second)); caller.Identity != nil {
		t.Error("it is valid too early")
	}
	if caller := v.Connection(later, start.Add(rejectedFor)); caller.Identity == nil {
		t.Errorf("it is never valid: %v", caller.Err)
	}
}

// TestT64VerifiedByServer: T-64, R-MT-4. Without roots only chains that the TLS server has
// verified count, and only for the certificate that was presented.
func TestT64VerifiedByServer(t *testing.T) {
	ca := certtest.New(t, "root")
	leaf, another := ca.Issue(t, named).Leaf, ca.Issue(t, named).Leaf
	server := ca.Issue(t, usages(x509.ExtKeyUsageServerAuth)).Leaf
	old := ca.Issue(t, valid(-2, -1)).Leaf
	for name, test := range map[string]struct {
		leaf   *x509.Certificate
		chains [][]*x509.Certificate
		err    error
	}{
		"verified":               {leaf, [][]*x509.Certificate{{leaf, ca.Certificate}}, nil},
		"not verified":           {leaf, nil, errUnverified},
		"an empty chain":         {leaf, [][]*x509.Certificate{{}}, errExpired},
		"of another certificate": {leaf, [][]*x509.Certificate{{another, ca.Certificate}}, errExpired},
		"expired":                {old, [][]*x509.Certificate{{old, ca.Certificate}}, errExpired},
		"the second is valid":    {leaf, [][]*x509.Certificate{{leaf, old}, {leaf, ca.Certificate}}, nil},
		"for servers":            {server, [][]*x509.Certificate{{server, ca.Certificate}}, errUsage},
	} {
		v := newVerifier(t, nil)
		state := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{test.leaf}, VerifiedChains: test.chains}
		for range 2 {
			if caller := v.Connection(state, time.Now()); caller.Err != test.err || (caller.Identity == nil) == (test.err == nil) {
				t.Errorf("%s: %+v", name, caller)
			}
		}
	}
}

// TestForwarded: S-20. A forwarded certificate is verified like one of a connection, and
// never without roots.
func TestForwarded(t *testing.T) {
	ca, other := certtest.New(t, "root"), certtest.New(t, "other")
	middle := ca.Intermediate(t, "middle")
	header := certtest.Header
	leaf, chain := header(middle.Issue(t, named).Leaf), header(middle.Certificate)
	for name, test := range map[string]struct {
		leaf, chain []string
		accepted    bool
	}{
		"with its chain":       {[]string{leaf}, []string{chain}, true},
		"without its chain":    {[]string{leaf}, nil, false},
		"twice":                {[]string{leaf, leaf}, []string{chain}, false},
		"the chain alone":      {nil, []string{chain}, false},
		"swapped":              {[]string{chain}, []string{leaf}, false},
		"of another authority": {[]string{header(other.Issue(t, named).Leaf)}, []string{header(other.Certificate)}, false},
		"for servers":          {[]string{header(ca.Server(t, "web.example.com").Leaf)}, nil, false},
		"garbage":              {[]string{":AAAA:"}, nil, false},
		"directly by the root": {[]string{header(ca.Issue(t, named).Leaf)}, nil, true},
	} {
		v := newVerifier(t, rootsOf(t, ca))
		for range 2 {
			if caller := v.Forwarded(test.leaf, test.chain, time.Now()); (caller.Identity != nil) != test.accepted || (caller.Err == nil) != test.accepted {
				t.Errorf("%s: %+v", name, caller)
			}
		}
		if caller := newVerifier(t, nil).Forwarded(test.leaf, test.chain, time.Now()); caller.Identity != nil || caller.Err != errNoRoots {
			t.Errorf("%s, without roots: %+v", name, caller)
		}
	}
}

// TestRememberedAllocations: performance.md, a certificate that was verified before takes
// no memory.
func TestRememberedAllocations(t *testing.T) {
	ca := certtest.New(t, "root")
	leaf := ca.Issue(t, named).Leaf
	state := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf, ca.Certificate}}}
	for name, roots := range map[string]func() *Roots{"own roots": rootsOf(t, ca), "by the TLS server": nil} {
		v, now := newVerifier(t, roots), time.Now()
		if got := testing.AllocsPerRun(100, func() {
			if v.Connection(state, now).Identity == nil {
				t.Fatal("it is not accepted")
			}
		}); got > 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

// TestValidity: a chain is valid as long as all its certificates are.
func TestValidity(t *testing.T) {
	at := func(hour int) time.Time { return time.Unix(int64(hour)*3600, 0) }
	wide, narrow := &x509.Certificate{NotBefore: at(1), NotAfter: at(9)}, &x509.Certificate{NotBefore: at(3), NotAfter: at(5)}
	for _, chain := range [][]*x509.Certificate{{wide, narrow}, {narrow, wide}} {
		if from, until := validity(chain); !from.Equal(at(3)) || !until.Equal(at(5)) {
			t.Errorf("%s to %s", from, until)
		}
	}
}
