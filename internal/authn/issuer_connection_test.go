package authn

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write puts a file into a directory of its own and returns its path.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestN29Bearer: the placeholder of jwks_bearer is read anew each time, and what is
// no token is refused without being shown.
func TestN29Bearer(t *testing.T) {
	path := write(t, "one\n")
	j := &JWT{Issuer: "https://id.example.com", JWKSBearer: "{file." + path + "}"}
	config, err := j.remote()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one", "two"} {
		if err := os.WriteFile(path, []byte(want+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := config.Bearer(); got != want || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	for _, bad := range []string{"", "\n", "canary\r\nX-Evil: 1", "canary b", "can\x00ary", "canäry"} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := config.Bearer(); err == nil || got != "" || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q is read as %q, %v", bad, got, err)
		}
		if _, err := j.remote(); err == nil {
			t.Errorf("%q loads", bad)
		}
	}
	for _, text := range []string{"{file./nowhere/token}", "{env.POLICY_AUTH_TEST_MISSING}", "{http.request.header.X}"} {
		if _, err := (&JWT{JWKSBearer: text}).remote(); err == nil || !strings.Contains(err.Error(), "jwks_bearer") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestS30Shared: sites with other roots, another address of the metadata or another
// credential have keys of their own; equal ones share them, also by another file of
// the same content.
func TestS30Shared(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	t.Setenv("POLICY_AUTH_TEST_TOKEN", "test-material-not-a-secret")
	plain := JWT{Issuer: "https://id.example.com", TLSCA: write(t, ca)}
	acquire := func(j *JWT) any {
		t.Helper()
		config, err := j.remote()
		if err != nil {
			t.Fatal(err)
		}
		keys, release, err := acquireRemote(config, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(release)
		return keys
	}
	first := acquire(&plain)
	for name, test := range map[string]struct {
		change func(*JWT)
		shared bool
	}{
		"the same":           {func(*JWT) {}, true},
		"a copy of the file": {func(j *JWT) { j.TLSCA = write(t, ca) }, true},
		"other roots":        {func(j *JWT) { j.TLSCA = write(t, ca+ca) }, false},
		"the system's roots": {func(j *JWT) { j.TLSCA = "" }, false},
		"discovery_url":      {func(j *JWT) { j.DiscoveryURL = "https://id.internal/.well-known/openid-configuration" }, false},
		"jwks_bearer":        {func(j *JWT) { j.JWKSBearer = "{env.POLICY_AUTH_TEST_TOKEN}" }, false},
		"max_stale":          {func(j *JWT) { j.MaxStale = 1 }, false},
	} {
		j := plain
		test.change(&j)
		if got := acquire(&j) == first; got != test.shared {
			t.Errorf("%s: shared %v", name, got)
		}
	}
	if err := os.WriteFile(plain.TLSCA, []byte(ca+"# renewed\n"+ca), 0o600); err != nil {
		t.Fatal(err)
	}
	if acquire(&plain) == first {
		t.Error("a changed file is the same trust")
	}
}

// TestN29RootsRead: a file of roots that cannot be read is an error, and none is the system's.
func TestN29RootsRead(t *testing.T) {
	if roots, err := readRoots(""); roots != nil || err != nil {
		t.Errorf("%v, %v", roots, err)
	}
	for path, want := range map[string]string{
		"/nowhere/ca.pem": "no such file", t.TempDir(): "is a directory", write(t, ""): "the file is empty",
		write(t, strings.Repeat("#", maxRoots+1)): "too large", "/dev/null": "tls_ca",
	} {
		if _, err := readRoots(path); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "tls_ca: ") {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// TestN58Issuer: a discovery document's address is no issuer, and the error names
// the issuer.
func TestN58Issuer(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://id.example.com":          "",
		"https://id.example.com/realms/a": "",
		"any":                             "",
		"https://id.example.com/.well-known/openid-configuration":                "is most likely https://id.example.com,",
		"https://id.example.com/realms/a/.well-known/openid-configuration":       "is most likely https://id.example.com/realms/a,",
		"https://id.example.com/.well-known/oauth-authorization-server/realms/a": "is most likely https://id.example.com/realms/a,",
	} {
		err := checkIssuer(issuer)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", issuer, err, want)
		}
	}
}

// TestN58Require: a * is no pattern in require.
func TestN58Require(t *testing.T) {
	j := &JWT{Issuer: "https://id.example.com", Audience: []string{"api"}, Secret: strings.Repeat("test-material-", 4), Require: []Requirement{{Claim: "team", Values: []string{"*"}}}}
	if err := j.check(); err == nil || !strings.Contains(err.Error(), "require team: * is no pattern") {
		t.Error(err)
	}
}
