package policyauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/test/testenv"
)

// keysForm is a line in whose place the test puts its own keys.
var keysForm = regexp.MustCompile(`(?m)^\s*(jwks_(url|file|bearer)|tls_ca) .*$`)

// issuerCase is a payload of an issuer's form, and fields of the identity that it makes.
type issuerCase struct{ Payload, Want map[string]any }

// TestIssuers holds docs/issuers.md: each block accepts a token of its issuer's
// form and makes of it what it should, and not one for somebody else.
func TestIssuers(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	w := newEnv(t)
	w.Write("keys.json", fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","kid":"test","x":%q,"y":%q}]}`, encode(point[1:33]), encode(point[33:])))
	doc, err := os.ReadFile("docs/issuers.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := testenv.BlockForm.FindAllStringSubmatch(string(doc), -1)
	if cases, err := os.ReadDir("testdata/issuers"); err != nil || len(cases) != len(blocks) {
		t.Errorf("%d blocks and %d payloads, %v", len(blocks), len(cases), err)
	}
	for _, match := range blocks {
		t.Run(match[2], func(t *testing.T) {
			block := strings.TrimSuffix(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(match[3]), "policy_auth {")), "}")
			block = keysForm.ReplaceAllString(block, "")
			block = strings.Replace(block, "audience ", "jwks_file DIR/keys.json\n audience ", 1)
			h, _ := w.site(block)
			content, err := os.ReadFile("testdata/issuers/" + match[2] + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var test struct {
				issuerCase
				Machine *issuerCase // a program's token
			}
			if err := json.Unmarshal(content, &test); err != nil {
				t.Fatal(err)
			}
			ask := func(of issuerCase, changes jwt.MapClaims) map[string]any {
				claims := jwt.MapClaims{"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
				maps.Copy(claims, of.Payload)
				maps.Copy(claims, changes)
				token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
				token.Header["kid"] = "test"
				signed, err := token.SignedString(private)
				if err != nil {
					t.Fatal(err)
				}
				header := http.Header{"Authorization": {"Bearer " + signed}}
				if strings.Contains(block, "from header Cf-Access-Jwt-Assertion") {
					header = http.Header{"Cf-Access-Jwt-Assertion": {signed}}
				}
				outcome := h.chain.Identify(&http.Request{Header: header}, true)
				if outcome.Identity == nil {
					return map[string]any{"reason": string(outcome.Reason)}
				}
				encoded, err := json.Marshal(outcome.Identity)
				if err != nil {
					t.Fatal(err)
				}
				var fields map[string]any
				if err := json.Unmarshal(encoded, &fields); err != nil {
					t.Fatal(err)
				}
				maps.DeleteFunc(fields, func(name string, _ any) bool { _, asked := of.Want[name]; return !asked })
				return fields
			}
			if diff := cmp.Diff(test.Want, ask(test.issuerCase, nil)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if test.Machine != nil {
				if diff := cmp.Diff(test.Machine.Want, ask(*test.Machine, nil)); diff != "" {
					t.Errorf("of a program, -want +got:\n%s", diff)
				}
			}
			for name, value := range map[string]any{"aud": "somebody-else", "iss": "https://evil.example", "exp": 1} {
				if name == "aud" && strings.Contains(block, "audience any") || name == "iss" && strings.Contains(block, "jwt any") {
					continue
				}
				if got := ask(test.issuerCase, jwt.MapClaims{name: value}); got["reason"] == nil {
					t.Errorf("%s %v: %v", name, value, got)
				}
			}
			for _, required := range []string{"hd", "email_verified", "repository", "ref", "token_use", "client_id", "is_anonymous"} {
				if strings.Contains(block, "require "+required+" ") && ask(test.issuerCase, jwt.MapClaims{required: "other"})["reason"] != "credentials_invalid" {
					t.Errorf("another %s is accepted", required)
				}
			}
		})
	}
}

// TestProviders holds docs/providers.md: each block can be loaded, offline.
func TestProviders(t *testing.T) {
	t.Setenv("OIDC_SECRET", canary)
	doc, err := os.ReadFile("docs/providers.md")
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := os.ReadFile("testdata/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	blocks := testenv.BlockForm.FindAllStringSubmatch(string(doc), -1)
	for _, match := range blocks {
		block := strings.TrimSuffix(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(match[3]), "policy_auth {")), "}")
		w := newEnv(t)
		w.Write("ca.pem", string(certificate))
		if _, err := w.provision(strings.ReplaceAll(block, "/etc/caddy/", "DIR/") + "session {\n store file DIR/store.db\n}"); err != nil {
			t.Errorf("%s: %v", match[2], err)
		}
	}
	if len(blocks) != 15 {
		t.Errorf("%d blocks", len(blocks))
	}
}

// TestN55Samples: an ordinary denial of a sample is a denial by rule, since each
// gives its decision a value for every request.
func TestN55Samples(t *testing.T) {
	samples := map[string]string{}
	for _, root := range []string{"examples", "policies/examples", "internal/command/scaffold"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".rego") || strings.HasSuffix(path, "_test.rego") {
				return err
			}
			content, err := os.ReadFile(path)
			samples[path] = string(content)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, page := range []string{"docs/policies.md", "docs/decisions.md", "docs/check.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range testenv.BlockForm.FindAllStringSubmatch(string(text), -1) {
			if match[1] == "rego" && strings.Contains(match[3], "\nallow ") {
				samples[page+": "+match[3]] = match[3]
			}
		}
	}
	if len(samples) < 7 {
		t.Fatalf("only %d samples", len(samples))
	}
	for name, content := range samples {
		if !strings.Contains(content, "default allow := false") && !strings.Contains(content, "\nelse := {\"allow\": false") {
			t.Errorf("%s: the decision has no default", name)
		}
	}
}
