package clientcert

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// maxName limits the name of a holder, in bytes. It is the limit of SPIFFE IDs.
const maxName = 2048

// nameSource is a part of a certificate that can name its holder.
type nameSource struct {
	word string
	// name returns the name and the kind of the holder. The name is "" if the certificate
	// has none of this sort.
	name func(*x509.Certificate) (string, authenticator.Kind, error)
}

// nameSources are all of them. The common name is none: authorities put all sorts of
// texts there.
var nameSources = []nameSource{{"san_uri", uriName}, {"san_dns", dnsName}, {"san_email", emailName}, {"subject", subjectName}}

// NameSources returns the words for the parts of a certificate that can name its holder:
// the first URI, DNS name or e-mail address among the subject alternative names (RFC
// 5280, section 4.2.1.6), or the subject's distinguished name (RFC 4514).
func NameSources() []string {
	var words []string
	for _, source := range nameSources {
		words = append(words, source.word)
	}
	return words
}

// DefaultNameSources are those that are looked at unless others are named.
func DefaultNameSources() []string { return []string{"san_uri", "san_dns", "san_email"} }

func parseNameSources(words []string) ([]nameSource, error) {
	var sources []nameSource
	for i, word := range words {
		at := slices.IndexFunc(nameSources, func(s nameSource) bool { return s.word == word })
		switch {
		case at < 0:
			return nil, fmt.Errorf("identity: unknown name %q; allowed: %s (the whole subject; the common name alone is never an identity)", word, strings.Join(NameSources(), " "))
		case slices.Contains(words[:i], word):
			return nil, fmt.Errorf("identity: %s is named twice; remove one", word)
		}
		sources = append(sources, nameSources[at])
	}
	if len(sources) == 0 {
		return nil, errors.New("identity: name at least one of " + strings.Join(NameSources(), " "))
	}
	return sources, nil
}

// identity returns the holder of a certificate whose chain to a root is valid until a
// time. The issuer is the root, which outlives the authorities below it.
func (v *Verifier) identity(leaf, root *x509.Certificate, until time.Time) (*authenticator.Identity, error) {
	for _, source := range v.names {
		name, kind, err := source.name(leaf)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", source.word, err)
		}
		if name == "" {
			continue
		}
		id := (&authenticator.Identity{
			Authenticated: true, ID: name, Kind: kind, Issuer: issuerName(root), Method: Method, Email: onlyEmail(leaf),
			ExpiresAt: until.Unix(), Bound: "certificate", Claims: claims(leaf),
		}).Normalize()
		if _, err := id.Checked(); err != nil {
			return nil, err
		}
		return id, nil
	}
	return nil, errNoName
}

// Method is the name of the authentication method.
const Method = "client_certificate"

// issuerName names a root.
func issuerName(root *x509.Certificate) string {
	if name := DistinguishedName(root.RawSubject); name != "" && checkName(name) == nil {
		return name
	}
	digest := sha256.Sum256(root.Raw)
	return "sha256:" + hex.EncodeToString(digest[:])
}

// claims describes a certificate like input.tls.client_certificate.
func claims(leaf *x509.Certificate) map[string]any {
	digest := sha256.Sum256(leaf.Raw)
	uris := make([]any, 0, len(leaf.URIs))
	for _, uri := range leaf.URIs {
		uris = append(uris, strings.ToValidUTF8(uri.String(), "\ufffd"))
	}
	return map[string]any{
		"subject": strings.ToValidUTF8(DistinguishedName(leaf.RawSubject), "\ufffd"), "issuer": strings.ToValidUTF8(DistinguishedName(leaf.RawIssuer), "\ufffd"),
		"serial": Serial(leaf), "sha256": hex.EncodeToString(digest[:]), "not_after": json.Number(strconv.FormatInt(leaf.NotAfter.Unix(), 10)),
		"dns_names": texts(leaf.DNSNames), "emails": texts(leaf.EmailAddresses), "uris": uris,
	}
}

// maxSerial is how many bits a serial number has at most (RFC 5280, section 4.1.2.2).
const maxSerial = 20 * 8

// Serial returns the serial number of a certificate in decimal, or "" if it is longer than
// 20 octets: the text of one of 60 KB takes 13 ms to make.
func Serial(leaf *x509.Certificate) string {
	if leaf.SerialNumber.BitLen() > maxSerial {
		return ""
	}
	return leaf.SerialNumber.String()
}

func texts(list []string) []any {
	result := make([]any, 0, len(list))
	for _, text := range list {
		result = append(result, strings.ToValidUTF8(text, "\ufffd"))
	}
	return result
}

// DistinguishedName returns a name in DER as text (RFC 4514), or "" for one that cannot
// be read. The order is that of the certificate, from its end, as openssl prints it with
// -nameopt RFC2253. The time that it takes grows with the length of the name; that of
// pkix.RDNSequence.String grows with its square, and the client chooses the name.
func DistinguishedName(der []byte) string {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &name); err != nil || len(rest) > 0 {
		return ""
	}
	var text strings.Builder
	for i, set := range slices.Backward(name) {
		if i < len(name)-1 {
			text.WriteByte(',')
		}
		for j, attribute := range set {
			if j > 0 {
				text.WriteByte('+')
			}
			text.WriteString(pkix.RDNSequence{{attribute}}.String())
		}
	}
	return text.String()
}

// uriName returns the first URI. A SPIFFE ID is one only if the certificate has no other
// URI, and is that of a workload.
func uriName(leaf *x509.Certificate) (string, authenticator.Kind, error) {
	if isSPIFFE(leaf) {
		id, err := spiffeID(leaf)
		return id, authenticator.KindClient, err
	}
	if len(leaf.URIs) == 0 {
		return "", "", nil
	}
	name := leaf.URIs[0].String()
	return name, authenticator.KindUnknown, checkName(name)
}

// dnsName returns the first DNS name that is no pattern, in lower case.
func dnsName(leaf *x509.Certificate) (string, authenticator.Kind, error) {
	for _, name := range leaf.DNSNames {
		if name != "" && !strings.Contains(name, "*") {
			return strings.ToLower(name), authenticator.KindUnknown, checkName(name)
		}
	}
	return "", "", nil
}

// emailName returns the first e-mail address.
func emailName(leaf *x509.Certificate) (string, authenticator.Kind, error) {
	if len(leaf.EmailAddresses) == 0 {
		return "", "", nil
	}
	name := leaf.EmailAddresses[0]
	return name, authenticator.KindUnknown, checkName(name)
}

// onlyEmail returns the e-mail address if there is one and no other.
func onlyEmail(leaf *x509.Certificate) string {
	if len(leaf.EmailAddresses) == 1 && checkName(leaf.EmailAddresses[0]) == nil {
		return leaf.EmailAddresses[0]
	}
	return ""
}

// subjectName returns the subject's distinguished name.
func subjectName(leaf *x509.Certificate) (string, authenticator.Kind, error) {
	name := DistinguishedName(leaf.RawSubject)
	if name == "" {
		return "", "", nil
	}
	return name, authenticator.KindUnknown, checkName(name)
}

// checkName returns an error for a name that two readers could take for different ones.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > maxName:
		return fmt.Errorf("a name of more than %d bytes", maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("a name with bytes that are no text")
	}
	return nil
}
