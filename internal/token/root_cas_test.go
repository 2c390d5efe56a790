package token

import (
	"encoding/pem"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestN29Roots: tls_ca replaces the system's roots, for keys at a URL and by discovery.
func TestN29Roots(t *testing.T) {
	p := newProviderBy(t, httptest.NewTLSServer)
	p.set("/.well-known/openid-configuration", p.metadata(p.URL))
	p.set("/keys", published("a"))
	own := rootsOf(t, p.Server)
	another := must(ParseRootCAs("ca.pem", []byte(otherCA)))
	for name, test := range map[string]struct {
		config RemoteKeySetConfig
		want   int
	}{
		"own, discovered":           {RemoteKeySetConfig{Issuer: p.URL, Roots: own}, 1},
		"own, at a URL":             {RemoteKeySetConfig{URL: p.URL + "/keys", Roots: own}, 1},
		"the system's":              {RemoteKeySetConfig{Issuer: p.URL}, -1},
		"of another authority":      {RemoteKeySetConfig{Issuer: p.URL, Roots: another}, -1},
		"of another authority, URL": {RemoteKeySetConfig{URL: p.URL + "/keys", Roots: another}, -1},
	} {
		r := newRemote(t, test.config)
		if got := found(r, "a"); got != test.want || test.want < 0 && !strings.Contains(r.Status().Error, "certificate signed by unknown authority") {
			t.Errorf("%s: %d, %s", name, got, r.Status().Error)
		}
	}
}

// TestN29RootsFile: what is no file of certificates is an error that says what it is.
func TestN29RootsFile(t *testing.T) {
	p := httptest.NewTLSServer(nil)
	defer p.Close()
	good := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw}))
	for name, test := range map[string]struct{ data, want string }{
		"one":                {good, ""},
		"two, with comments": {"# first\n" + good + "# second\n" + good, ""},
		"empty":              {"", "the file is empty"},
		"blank":              {" \n", "the file is empty"},
		"no PEM":             {"hello", "no PEM block found"},
		"DER":                {string(p.Certificate().Raw), "no PEM block found"},
		"a key":              {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "block 1: a private key"},
		"a public key":       {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", `block 1: "PUBLIC KEY" is not supported`},
		"a broken second":    {good + strings.Replace(good, "\nMII", "\n!!!", 1), "block 2: broken or not ended"},
		"cut":                {good[:len(good)-40], "block 1: broken or not ended"},
		"garbage within":     {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "block 1: not a usable certificate"},
		"garbage behind":     {good + "hello", "something follows block 1"},
	} {
		_, err := ParseRootCAs("ca.pem", []byte(test.data))
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), "ca.pem: "+test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestS30Key: configurations that trust, ask or name something else share nothing.
func TestS30Key(t *testing.T) {
	plain := RemoteKeySetConfig{Issuer: "https://id.example.com", URL: "https://id.example.com/keys"}
	seen := map[string]string{}
	for name, change := range map[string]func(*RemoteKeySetConfig){
		"plain":           func(*RemoteKeySetConfig) {},
		"another issuer":  func(c *RemoteKeySetConfig) { c.Issuer = "https://id.example.org" },
		"discovered":      func(c *RemoteKeySetConfig) { c.URL = "" },
		"another URL":     func(c *RemoteKeySetConfig) { c.URL += "2" },
		"the URL alone":   func(c *RemoteKeySetConfig) { c.Issuer = "" },
		"an issuer there": func(c *RemoteKeySetConfig) { c.Issuer, c.URL = c.URL, "" },
		"discovery_url":   func(c *RemoteKeySetConfig) { c.URL, c.DiscoveryURL = "", c.URL },
		"tls_ca":          func(c *RemoteKeySetConfig) { c.Roots = &RootCAs{digest: "1"} },
		"another tls_ca":  func(c *RemoteKeySetConfig) { c.Roots = &RootCAs{digest: "2"} },
		"a client":        func(c *RemoteKeySetConfig) { c.Client = "1" },
		"another client":  func(c *RemoteKeySetConfig) { c.Client = "2" },
	} {
		config := plain
		change(&config)
		if other, there := seen[config.Key()]; there {
			t.Errorf("%s and %s share keys", name, other)
		}
		seen[config.Key()] = name
	}
	if again := plain; plain.Key() != again.Key() || len(plain.Key()) != 64 {
		t.Error("the key is not that of the configuration")
	}
}

// TestS30Stored: keys that were stored under one trust are not used under another.
func TestS30Stored(t *testing.T) {
	p := newProviderBy(t, httptest.NewTLSServer)
	p.set("/keys", published("a"))
	store, own := &memory{kept: map[string][]byte{}}, rootsOf(t, p.Server)
	config := RemoteKeySetConfig{URL: p.URL + "/keys", Roots: own, Store: store}
	first := newRemote(t, config)
	if got := found(first, "a"); got != 1 {
		t.Fatalf("%d keys", got)
	}
	first.saves.Wait()
	p.Close()
	if got := found(newRemote(t, config), "a"); got != 1 {
		t.Errorf("after a restart: %d", got)
	}
	for name, change := range map[string]func(*RemoteKeySetConfig){
		"the system's roots": func(c *RemoteKeySetConfig) { c.Roots = nil },
		"another tls_ca":     func(c *RemoteKeySetConfig) { c.Roots = must(ParseRootCAs("ca.pem", []byte(otherCA))) },
		"another bearer":     func(c *RemoteKeySetConfig) { c.Client = "bearer {env.OTHER}" },
	} {
		other := config
		change(&other)
		if got := found(newRemote(t, other), "a"); got != -1 {
			t.Errorf("%s: %d keys", name, got)
		}
	}
}

// otherCA is a certificate that nothing in the tests is signed by.
const otherCA = `-----BEGIN CERTIFICATE-----
MIIBgjCCASegAwIBAgIUJEJ4tlxRPrgctRL084cUpsApx/UwCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKQW5vdGhlciBDQTAgFw0yNjExMjYxMzU3MDBaGA8yMTI2MTEw
MjEzNTcwMFowFTETMBEGA1UEAwwKQW5vdGhlciBDQTBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABCpBYSXHeduPVI7e0YwGpoYTcw1xEobclgExoLsWP7413l4z5qtG
Y1Uua9uLH3EVk3G+fhdXK+vdg0+cUwaPPB2jUzBRMB0GA1UdDgQWBBQB2VQQO1/u
cUBS9IFsOblWbXDYczAfBgNVHSMEGDAWgBQB2VQQO1/ucUBS9IFsOblWbXDYczAP
BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCGvFgtiRa0I1ZEIO+V
BLWmUPW4yaHqJYfYGCGVly8EwQIhAMEMOigLgMFvCslrzpHR4WOsR95TvDCcjXwe
RNAumbq/
-----END CERTIFICATE-----
`
