package clientcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/clientcert/certtest"
)

// TestLargeKey: one signature of an RSA key that fills a certificate takes seconds to
// verify, so that no such key is used, whatever its place in a forwarded chain.
func TestLargeKey(t *testing.T) {
	ca := certtest.New(t, "root")
	key, certificate := signer(t)
	small := certtest.Header(ca.Issue(t, named).Leaf)
	for bits, want := range map[uint]error{maxRSABits: nil, maxRSABits + 1: errLargeKey} {
		modulus := new(big.Int).SetBit(big.NewInt(1), int(bits)-1, 1)
		of := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, of, certificate, &rsa.PublicKey{N: modulus, E: 65537}, key)
		if err != nil {
			t.Fatal(err)
		}
		large := certtest.Header(&x509.Certificate{Raw: der})
		for _, lines := range [][]string{{large}, {small, large}} {
			if _, _, err := ParseForwarded(lines[:1], lines[1:]); !errors.Is(err, want) {
				t.Errorf("%d bits in the header %d: %v", bits, len(lines), err)
			}
		}
	}
}

// signer returns a key and the certificate of an authority.
func signer(t *testing.T) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key, &x509.Certificate{SerialNumber: big.NewInt(1), PublicKey: key.Public(), IsCA: true}
}

// TestLongDistinguishedName: the text is that of pkix, and the work for ten times as many
// parts is not a hundred times as much.
func TestLongDistinguishedName(t *testing.T) {
	name := func(sets, attributes int) []byte {
		var names pkix.RDNSequence
		for range sets {
			var set pkix.RelativeDistinguishedNameSET
			for range attributes {
				set = append(set, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "a,b"}, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{1, 2, 3}, Value: "c"})
			}
			names = append(names, set)
		}
		der, err := asn1.Marshal(names)
		if err != nil {
			t.Fatal(err)
		}
		var sorted pkix.RDNSequence // as DER has it
		if _, err := asn1.Unmarshal(der, &sorted); err != nil {
			t.Fatal(err)
		}
		if got := DistinguishedName(der); sets*attributes < 10 && got != sorted.String() {
			t.Errorf("%d sets of %d: %q, want %q", sets, attributes, got, sorted)
		}
		return der
	}
	for sets := range 3 {
		for attributes := range 3 {
			name(sets, attributes)
		}
	}
	for form, long := range map[string]func(n int) []byte{
		"sets": func(n int) []byte { return name(n, 1) }, "attributes": func(n int) []byte { return name(1, n) },
	} {
		bytes := func(n int) uint64 {
			var before, after runtime.MemStats
			der := long(n)
			runtime.ReadMemStats(&before)
			DistinguishedName(der)
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		if few, many := bytes(100), bytes(1000); many > 30*few {
			t.Errorf("%s: %d bytes of memory for 100, %d for 1000", form, few, many)
		}
	}
}

// TestTooLargeIsNotDescribed: what is too large to verify is not described, which would
// happen at each denied request.
func TestTooLargeIsNotDescribed(t *testing.T) {
	ca := certtest.New(t, "root")
	large := ca.Issue(t, func(c *x509.Certificate) { c.Subject.CommonName = strings.Repeat("a", maxCertificate) }).Leaf
	if caller := newVerifier(t, rootsOf(t, ca)).Connection(presenting(large), time.Now()); caller.Leaf != nil || caller.Err != errTooLarge {
		t.Errorf("%v, with the certificate: %t", caller.Err, caller.Leaf != nil)
	}
}

// TestLargeSerial: a serial number that RFC 5280 does not allow is not written out, which
// takes time by the square of its length.
func TestLargeSerial(t *testing.T) {
	longest := new(big.Int).SetBit(new(big.Int), maxSerial-1, 1)
	if got := Serial(&x509.Certificate{SerialNumber: longest}); got != longest.String() {
		t.Errorf("%q", got)
	}
	if got := Serial(&x509.Certificate{SerialNumber: new(big.Int).SetBit(new(big.Int), 480_000, 1)}); got != "" {
		t.Errorf("a serial number of %d characters", len(got))
	}
}
