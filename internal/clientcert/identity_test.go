package clientcert

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/clientcert/certtest"
)

// TestRMT4Identity: R-MT-4. The first part in the order of identity that the certificate
// has names its holder; the common name never does.
func TestRMT4Identity(t *testing.T) {
	ca := certtest.New(t, "root")
	const spiffe = "spiffe://example.com/web"
	all := func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "cn", Organization: []string{"Example, Inc."}, Country: []string{"DE"}}
		c.URIs = []*url.URL{certtest.URI(t, "urn:uuid:1"), certtest.URI(t, "urn:uuid:2")}
		c.DNSNames, c.EmailAddresses = []string{"*.example.com", "Web.example.com", "b.example.com"}, []string{"alice@example.com"}
	}
	uris := func(list ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			named(c)
			for _, text := range list {
				c.URIs = append(c.URIs, certtest.URI(t, text))
			}
		}
	}
	for name, test := range map[string]struct {
		change func(*x509.Certificate)
		names  []string
		id     string
		kind   authenticator.Kind
	}{
		"default":                       {all, nil, "urn:uuid:1", authenticator.KindUnknown},
		"DNS first":                     {all, []string{"san_dns", "san_uri"}, "web.example.com", authenticator.KindUnknown},
		"e-mail":                        {all, []string{"san_email"}, "alice@example.com", authenticator.KindUnknown},
		"subject":                       {all, []string{"subject"}, `CN=cn,O=Example\, Inc.,C=DE`, authenticator.KindUnknown},
		"a common name alone":           {nil, nil, "", ""},
		"a common name alone, subject":  {nil, []string{"san_dns", "subject"}, "CN=client", authenticator.KindUnknown},
		"the second of the order":       {named, []string{"san_email", "san_dns"}, "web.example.com", authenticator.KindUnknown},
		"patterns alone":                {func(c *x509.Certificate) { c.DNSNames = []string{"*.example.com"} }, []string{"san_dns"}, "", ""},
		"an empty subject":              {func(c *x509.Certificate) { c.Subject = pkix.Name{} }, []string{"subject"}, "", ""},
		"a workload":                    {uris(spiffe), nil, spiffe, authenticator.KindClient},
		"a workload and another URI":    {uris(spiffe, "urn:x:1"), nil, "", ""},
		"another URI and a workload":    {uris("urn:x:1", spiffe), nil, "", ""},
		"two workloads":                 {uris(spiffe, spiffe+"2"), nil, "", ""},
		"a bad workload":                {uris("spiffe://example.com/"), nil, "", ""},
		"a bad workload is no DNS name": {uris("spiffe://example.com/", "urn:x:1"), []string{"san_uri", "san_dns"}, "", ""},
		"a workload by its DNS name":    {uris(spiffe, "urn:x:1"), []string{"san_dns"}, "web.example.com", authenticator.KindUnknown},
		"an authority of workloads":     {func(c *x509.Certificate) { uris(spiffe)(c); c.KeyUsage |= x509.KeyUsageCertSign }, nil, "", ""},
		"a line end in the subject":     {func(c *x509.Certificate) { c.Subject.CommonName = "a\nb" }, []string{"subject"}, "", ""},
		"a NUL in the subject":          {func(c *x509.Certificate) { c.Subject.CommonName = "a\x00b" }, []string{"subject"}, "", ""},
		"a long subject":                {func(c *x509.Certificate) { c.Subject.CommonName = strings.Repeat("a", maxName) }, []string{"subject"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			caller := newVerifier(t, rootsOf(t, ca), test.names...).Connection(presenting(ca.Issue(t, test.change).Leaf), time.Now())
			if (caller.Identity != nil) != (test.id != "") || (caller.Err != nil) != (test.id == "") || !caller.Verified {
				t.Fatalf("%+v", caller)
			}
			if id := caller.Identity; id != nil && (id.ID != test.id || id.Kind != test.kind || id.Issuer != "CN=root,O=Example" || id.Method != "client_certificate" || id.Username != "" || id.Name != "") {
				t.Errorf("%+v", id)
			}
		})
	}
}

// TestClaims: policies see what the certificate says of its holder.
func TestClaims(t *testing.T) {
	ca := certtest.New(t, "root")
	leaf := ca.Issue(t, func(c *x509.Certificate) {
		named(c)
		c.EmailAddresses, c.URIs = []string{"alice@example.com"}, []*url.URL{certtest.URI(t, "urn:x:1")}
	}).Leaf
	id := newVerifier(t, rootsOf(t, ca), "san_dns").Connection(presenting(leaf), time.Now()).Identity
	if id == nil || id.Email != "alice@example.com" || id.Bound != "certificate" || id.ExpiresAt != leaf.NotAfter.Unix() {
		t.Fatalf("%+v", id)
	}
	if id.Claims["subject"] != "CN=client" || id.Claims["issuer"] != "CN=root,O=Example" || id.Claims["serial"] != leaf.SerialNumber.String() ||
		id.Claims["dns_names"].([]any)[0] != "web.example.com" || id.Claims["uris"].([]any)[0] != "urn:x:1" {
		t.Errorf("%v", id.Claims)
	}
	if _, number := id.Claims["not_after"].(json.Number); !number || len(id.Claims["sha256"].(string)) != 64 {
		t.Errorf("%v", id.Claims)
	}
	if checked, err := id.Checked(); err != nil || checked != id {
		t.Errorf("each request would copy it: %v", err)
	}
}

// TestNameSources: an unknown word, one that is there twice and none are errors.
func TestNameSources(t *testing.T) {
	for _, names := range [][]string{{"cn"}, {"san_dns", "san_dns"}, {}} {
		if _, err := NewVerifier(nil, names); err == nil {
			t.Errorf("%q is accepted", names)
		}
	}
}

// TestSPIFFE: which URIs are SPIFFE IDs (SPIFFE ID, section 2).
func TestSPIFFE(t *testing.T) {
	for text, want := range map[string]bool{
		"spiffe://example.com/web": true, "spiffe://example.com": true, "spiffe://td/a/B.c-d_e": true, "spiffe://1.2.3.4/x": true,
		"spiffe://example.com/": false, "spiffe://example.com//a": false, "spiffe://example.com/a/": false, "spiffe://example.com/./a": false,
		"spiffe://example.com/../a": false, "spiffe://EXAMPLE.com/a": false, "spiffe://example.com:80/a": false, "spiffe://u@example.com/a": false,
		"spiffe://example.com/a?b": false, "spiffe://example.com/a#b": false, "spiffe://example.com/a%2fb": false, "spiffe:///a": false,
		"spiffe:example.com": false, "spiffe://" + strings.Repeat("a", 256): false, "spiffe://a/" + strings.Repeat("a", maxName): false, "spiffe://example.com/ä": false,
	} {
		id, err := checkSPIFFE(certtest.URI(t, text))
		if (err == nil) != want || want && id != text {
			t.Errorf("%.60s: %q, %v", text, id, err)
		}
	}
}

// TestNoName: parts of a certificate that two readers could take for different names are
// errors, and an absent one is none.
func TestNoName(t *testing.T) {
	for _, name := range []string{"", "\xff", "a\nb", strings.Repeat("a", maxName+1)} {
		if checkName(name) == nil {
			t.Errorf("%.20q is a name", name)
		}
	}
	empty := []byte{0x30, 0}
	if name, _, err := subjectName(&x509.Certificate{RawSubject: empty}); name != "" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
	if name, _, err := emailName(&x509.Certificate{EmailAddresses: []string{""}}); name != "" || err == nil {
		t.Errorf("%q, %v", name, err)
	}
	subject := certtest.New(t, "root").Issue(t, nil).Leaf.RawSubject
	if DistinguishedName(subject) == "" {
		t.Error("a subject has no name")
	}
	if name := DistinguishedName(append(slices.Clone(subject), 0)); name != "" {
		t.Errorf("one with a byte behind it has %q", name)
	}
	if _, err := spiffeID(&x509.Certificate{URIs: []*url.URL{certtest.URI(t, "spiffe://example.com/web")}, IsCA: true}); err == nil {
		t.Error("an authority is a workload")
	}
}
