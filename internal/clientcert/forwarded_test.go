package clientcert

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/clientcert/certtest"
)

// TestParseForwarded: RFC 9440. The header is one line, a byte sequence, and strict.
func TestParseForwarded(t *testing.T) {
	ca := certtest.New(t, "root")
	leaf := ca.Issue(t, nil).Leaf
	header, authority := certtest.Header(leaf), certtest.Header(ca.Certificate)
	encoded := strings.Trim(header, ":")
	padded := leaf
	for len(padded.Raw)%3 == 0 {
		padded = ca.Issue(t, nil).Leaf
	}
	for name, test := range map[string]struct {
		leaf, chain []string
		want        int // certificates, or -1
	}{
		"one":                        {[]string{header}, nil, 1},
		"with a chain":               {[]string{header}, []string{authority + ", " + authority}, 3},
		"a chain in lines":           {[]string{header}, []string{authority, authority}, 3},
		"a tab":                      {[]string{header}, []string{authority + "\t,\t" + authority}, 3},
		"none":                       {nil, nil, -1},
		"two lines":                  {[]string{header, header}, nil, -1},
		"a list":                     {[]string{header + ", " + header}, nil, -1},
		"empty":                      {[]string{""}, nil, -1},
		"a colon":                    {[]string{":"}, nil, -1},
		"no bytes":                   {[]string{"::"}, nil, -1},
		"no colons":                  {[]string{encoded}, nil, -1},
		"another sign before it":     {[]string{"x" + encoded + ":"}, nil, -1},
		"another sign after it":      {[]string{":" + encoded + "x"}, nil, -1},
		"a parameter":                {[]string{header + ";a=1"}, nil, -1},
		"a space":                    {[]string{" " + header}, nil, -1},
		"a space within":             {[]string{": " + encoded + ":"}, nil, -1},
		"a line end within":          {[]string{":" + encoded[:8] + "\n" + encoded[8:] + ":"}, nil, -1},
		"base64url":                  {[]string{":" + base64.URLEncoding.EncodeToString(append(leaf.Raw, 0xff, 0xff, 0xff)) + ":"}, nil, -1},
		"bits after its end":         {[]string{":" + withBits(padded.Raw) + ":"}, nil, -1},
		"PEM":                        {[]string{strings.ReplaceAll(string(certtest.PEM(leaf)), "\n", "%0A")}, nil, -1},
		"something after it":         {[]string{":" + base64.StdEncoding.EncodeToString(append(bytes.Clone(leaf.Raw), 0)) + ":"}, nil, -1},
		"an empty chain":             {[]string{header}, []string{""}, -1},
		"a comma at the end":         {[]string{header}, []string{authority + ","}, -1},
		"too many":                   {[]string{header}, []string{strings.Repeat(authority+",", maxIntermediates) + authority}, -1},
		"as many as may be":          {[]string{header}, []string{strings.Repeat(authority+",", maxIntermediates-1) + authority}, 1 + maxIntermediates},
		"a certificate that is long": {[]string{":" + strings.Repeat("AAAA", maxCertificate) + ":"}, nil, -1},
	} {
		first, others, err := ParseForwarded(test.leaf, test.chain)
		if tooLong := strings.HasPrefix(name, "a certificate that is long"); tooLong != errors.Is(err, errTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
		if (err == nil) != (test.want > 0) || err == nil && (!first.Equal(leaf) || 1+len(others) != test.want) {
			t.Errorf("%s: %d others, %v", name, len(others), err)
		}
	}
}

// withBits encodes data whose length is no multiple of 3, with a bit after its end.
func withBits(data []byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	encoded := base64.StdEncoding.EncodeToString(data)
	text := strings.TrimRight(encoded, "=")
	last := strings.IndexByte(alphabet, text[len(text)-1])
	return text[:len(text)-1] + alphabet[last+1:last+2] + encoded[len(text):]
}

// FuzzForwarded: no header of a proxy panics, and whatever is accepted leads to the root.
func FuzzForwarded(f *testing.F) {
	ca := certtest.New(f, "root")
	v := newVerifier(f, rootsOf(f, ca))
	leaf := ca.Issue(f, named).Leaf
	f.Add(certtest.Header(leaf), certtest.Header(ca.Certificate))
	f.Add("::", ",")
	f.Add(":AAAA:", ":AAAA:,:AAAA:")
	f.Fuzz(func(t *testing.T, first, chain string) {
		caller := v.Forwarded([]string{first}, []string{chain}, time.Now())
		if caller == nil || (caller.Identity == nil) == (caller.Err == nil) {
			t.Fatalf("%+v", caller)
		}
		if caller.Identity != nil && !caller.Leaf.Equal(leaf) {
			t.Errorf("%q is accepted", first)
		}
	})
}

// TestT08Roots: T-08. A file without certificates, or with anything else, is an error.
func TestT08Roots(t *testing.T) {
	ca := certtest.New(t, "root")
	for name, test := range map[string]struct {
		files map[string][]byte
		want  string
	}{
		"one":       {map[string][]byte{"ca.pem": ca.PEM()}, ""},
		"two":       {map[string][]byte{"ca.pem": ca.PEM(), "b.pem": certtest.New(t, "b").PEM()}, ""},
		"no file":   {nil, "no file"},
		"empty":     {map[string][]byte{"ca.pem": nil}, "ca.pem: the file is empty"},
		"one empty": {map[string][]byte{"ca.pem": ca.PEM(), "b.pem": {}}, "b.pem: the file is empty"},
		"a key":     {map[string][]byte{"ca.pem": certtest.KeyPEM(t, ca.Issue(t, nil))}, "a private key"},
		"text":      {map[string][]byte{"ca.pem": []byte("hello")}, "no PEM block"},
	} {
		_, err := NewRoots(test.files)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
