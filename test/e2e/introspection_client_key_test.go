//go:build e2e

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// tlsEndpoint passes requests on to a provider over TLS, with a certificate of its own
// authority, and keeps the forms that it gets.
type tlsEndpoint struct {
	*httptest.Server
	mu    sync.Mutex
	forms []url.Values
}

func newTLSEndpoint(t *testing.T, provider string) *tlsEndpoint {
	t.Helper()
	to, err := url.Parse(provider)
	if err != nil {
		t.Fatal(err)
	}
	e := &tlsEndpoint{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	e.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		e.mu.Lock()
		e.forms = append(e.forms, form)
		e.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(e.Close)
	return e
}

// taken returns the forms since the last call.
func (e *tlsEndpoint) taken() []url.Values {
	e.mu.Lock()
	defer e.mu.Unlock()
	forms := e.forms
	e.forms = nil
	return forms
}

// clientKeySite has an endpoint of a private authority: with the client's key, with
// another one, and without tls_ca.
const clientKeySite = `
	handle /key {
		policy_auth {
			introspection ENDPOINT/token/introspection {
				issuer ISSUER
				client_id keyed
				client_auth_method private_key_jwt
				client_key DIR/client.pem
				audience https://api.example.com
				map id client_id
				cache off
				tls_ca DIR/ca.pem
			}
		}
		respond "key {http.auth.user.id}"
	}
	handle /other {
		policy_auth {
			introspection ENDPOINT/token/introspection {
				issuer ISSUER
				client_id keyed
				client_auth_method private_key_jwt
				client_key DIR/other.pem
				audience https://api.example.com
				map id client_id
				tls_ca DIR/ca.pem
			}
		}
		respond other
	}
	handle /untrusted {
		policy_auth {
			introspection ENDPOINT/token/introspection {
				issuer ISSUER
				client_id keyed
				client_auth_method private_key_jwt
				client_key DIR/client.pem
				audience https://api.example.com
				map id client_id
			}
		}
		respond untrusted
	}
`

// TestE2EIntrospectionClientKey asks a certified provider about tokens as a client that
// proves itself by assertions, at an address with a certificate of a private authority.
//
// R-INT-1, R-INT-3, S-29, S-30
func TestE2EIntrospectionClientKey(t *testing.T) {
	jwk, key := clientKey(t)
	_, other := clientKey(t)
	p := startIntrospected(t, jwk)
	endpoint := newTLSEndpoint(t, p.issuer)
	w := newEnv(t)
	w.Write("client.pem", string(key))
	w.Write("other.pem", string(other))
	w.Write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: endpoint.Certificate().Raw})))
	s, site := w.serve(strings.NewReplacer("ENDPOINT", endpoint.URL, "ISSUER", p.issuer).Replace(clientKeySite))
	opaque := p.token(opaqueAudience)
	ask := func(path, token string, status int, text string) {
		t.Helper()
		if got, _, body := do(t, "GET", site+path, "", "Authorization", "Bearer "+token); got != status || !strings.Contains(body, text) {
			t.Errorf("%s: %d %s, want %d %s", path, got, body, status, text)
		}
	}
	ask("/key", opaque, 200, "key service")
	ask("/key", opaque, 200, "key service")
	ask("/key", strings.Repeat("x", len(opaque)), 401, "")
	forms := endpoint.taken()
	if len(forms) != 3 {
		t.Fatalf("%d requests", len(forms))
	}
	used := map[string]bool{}
	for _, form := range forms {
		used[wantAssertion(t, form, p.issuer)] = true
	}
	if len(used) != len(forms) {
		t.Errorf("assertions of %d requests have the IDs %v", len(forms), used)
	}

	ask("/untrusted", opaque, 503, "")
	if forms := endpoint.taken(); len(forms) != 0 {
		t.Errorf("an endpoint of an unknown authority got %d requests", len(forms))
	}
	ask("/other", opaque, 503, "")
	ask("/key", opaque, 200, "key service")
	s.wantLogged("it does not accept this server as a client")
	s.wantLogged("certificate signed by unknown authority")
	for _, secret := range []string{"eyJ", opaque} {
		if strings.Contains(s.logged(), secret) {
			t.Errorf("the log has %s", secret)
		}
	}
}

// wantAssertion holds how a request proves the client, for the issuer alone (S-29), and
// returns the assertion's ID. The provider has verified the signature.
func wantAssertion(t *testing.T, form url.Values, issuer string) string {
	t.Helper()
	parts := strings.Split(form.Get("client_assertion"), ".")
	if len(parts) != 3 || form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || form.Has("client_secret") || form.Get("token") == "" {
		t.Fatalf("the request %v", form)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience any    `json:"aud"` // a string: of one alone
		ID       string `json:"jti"`
		Expires  int64  `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	lasts := time.Until(time.Unix(claims.Expires, 0))
	if claims.Issuer != "keyed" || claims.Subject != "keyed" || claims.Audience != issuer || claims.ID == "" || lasts <= 0 || lasts > 5*time.Minute {
		t.Errorf("the assertion %s", payload)
	}
	return claims.ID
}
