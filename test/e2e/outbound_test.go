//go:build e2e

package e2e

import (
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// wantLogged waits until the log says something: it comes later than the answer.
func (s *server) wantLogged(text string) {
	s.t.Helper()
	eventually(s.t, "the log says "+text, func() bool { return strings.Contains(s.logged(), text) })
}

// loginAt is a site's block in which people sign in at a provider, with more words.
func loginAt(fake *oidctest.Provider, more string) string {
	return "policy_auth {\n login oidc " + fake.URL + " {\n client_id " + fake.ClientID + "\n client_secret " + fake.ClientSecret + "\n" + more + " }\n }\n respond \"reached {http.request.uri}\"\n"
}

// TestE2E_N29_S30_OwnCA: a provider with a certificate of its own CA signs people in
// where tls_ca names that, and nowhere else, also not beside a site that trusts it.
func TestE2E_N29_S30_OwnCA(t *testing.T) {
	w := newEnv(t)
	fake, root := oidctest.NewTLS(t)
	_, another := oidctest.NewTLS(t)
	w.Write("ca.pem", "# the company's CA\n"+root)
	w.Write("two.pem", root+another)
	second := port(t)
	s, site := w.serve(loginAt(fake, "tls_ca DIR/ca.pem\n") + "}\nhttp://127.0.0.1:" + second + " {\n" + loginAt(fake, ""))
	if status, _, page := newFollower(t).open(site+"/page", nil); status != 200 || page != "reached /page" {
		t.Errorf("with tls_ca: %d %s\n%s", status, page, s.logged())
	}
	if status, _, page := newFollower(t).open("http://127.0.0.1:"+second+"/page", nil); status != 503 {
		t.Errorf("without: %d %s\n%s", status, page, s.logged())
	}
	s.wantLogged("certificate signed by unknown authority")
	if fake.Seen("/token") != 1 || fake.Seen("/userinfo") != 1 {
		t.Errorf("the token endpoint was asked %d times, userinfo %d", fake.Seen("/token"), fake.Seen("/userinfo"))
	}
}

// TestE2E_N29_DiscoveryURL: a provider that this server reaches at another address
// than people do, and one there that is another issuer.
func TestE2E_N29_DiscoveryURL(t *testing.T) {
	w := newEnv(t)
	fake, root := oidctest.NewTLS(t)
	w.Write("ca.pem", root)
	inside := fake.URL
	_, listen, _ := net.SplitHostPort(strings.TrimPrefix(inside, "https://"))
	fake.URL = "https://id.example.com:" + listen // people reach it there, this server cannot
	fake.Metadata = func(m map[string]any) {
		for _, endpoint := range []string{"token_endpoint", "userinfo_endpoint", "jwks_uri"} {
			m[endpoint] = strings.Replace(m[endpoint].(string), fake.URL, inside, 1)
		}
	}
	words := "discovery_url " + inside + "/.well-known/openid-configuration\n tls_ca DIR/ca.pem\n"
	other := &oidctest.Provider{URL: "https://id.example.org:" + listen, ClientID: fake.ClientID, ClientSecret: fake.ClientSecret}
	second := port(t)
	s, site := w.serve(loginAt(fake, words) + "}\nhttp://127.0.0.1:" + second + " {\n" + loginAt(other, words))
	person := newFollower(t)
	if status, _, page := person.open(site+"/page", nil); status != 200 || page != "reached /page" {
		t.Errorf("%d %s\n%s", status, page, s.logged())
	}
	if status, _, _ := newFollower(t).open("http://127.0.0.1:"+second+"/page", nil); status != 503 {
		t.Errorf("another issuer: %d\n%s", status, s.logged())
	}
	s.wantLogged("the metadata names another issuer: " + fake.URL)
}

// cluster is a Kubernetes API server as far as its keys go: over TLS, for callers
// with a token alone.
type cluster struct {
	*tokenIssuer
	url, root string
	mu        sync.Mutex
	token     string
	sent      []string // what came in Authorization
	redirect  string
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, r.Header.Get("Authorization"))
	switch {
	case r.Header.Get("Authorization") != "Bearer "+c.token:
		w.WriteHeader(http.StatusUnauthorized)
	case c.redirect != "":
		http.Redirect(w, r, c.redirect, http.StatusTemporaryRedirect)
	default:
		fmt.Fprint(w, c.keys(""))
	}
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{tokenIssuer: newTokenIssuer(t), token: "first"}
	server := httptest.NewTLSServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	c.root = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	return c
}

// TestE2E_N29_Kubernetes: keys that are given to callers with a token alone; the
// token is rotated by its file, and stays out of the log.
func TestE2E_N29_Kubernetes(t *testing.T) {
	w, c := newEnv(t), newCluster(t)
	w.Write("ca.crt", c.root)
	w.Write("token", "canary-old\n")
	site := "policy_auth {\n jwt " + c.URL + " {\n jwks_url " + c.url + "/openid/v1/jwks\n jwks_bearer {file.DIR/token}\n tls_ca DIR/ca.crt\n audience api\n }\n}\nrespond reached"
	s, url := w.serve(site)
	ask := func() int {
		status, _, _ := do(t, "GET", url+"/", "", "Authorization", "Bearer "+c.sign(t, "ES256", nil))
		return status
	}
	if status := ask(); status != 503 {
		t.Errorf("with another token: %d\n%s", status, s.logged())
	}
	s.wantLogged("the credential of jwks_bearer is not accepted")
	w.Write("token", "canary-new\n")
	c.mu.Lock()
	c.token = "canary-new"
	c.mu.Unlock()
	s.stop() // rather than wait until the next fetch may begin
	if s, url = w.serve(site); ask() != 200 {
		t.Errorf("with the token: %d\n%s", ask(), s.logged())
	}
	s.stop()
	if strings.Contains(s.logged(), "canary") {
		t.Errorf("the log tells the token\n%s", s.logged())
	}
}

// TestE2E_S30_Redirect: a key server that redirects elsewhere gets the credential,
// and the other origin nothing.
func TestE2E_S30_Redirect(t *testing.T) {
	w, c, elsewhere := newEnv(t), newCluster(t), newCluster(t)
	w.Write("ca.crt", c.root+elsewhere.root)
	w.Write("token", "first")
	c.redirect = elsewhere.url + "/openid/v1/jwks"
	s, url := w.serve("policy_auth {\n jwt " + c.URL + " {\n jwks_url " + c.url + "/openid/v1/jwks\n jwks_bearer {file.DIR/token}\n tls_ca DIR/ca.crt\n audience api\n }\n}\nrespond reached")
	if status, _, _ := do(t, "GET", url+"/", "", "Authorization", "Bearer "+c.sign(t, "ES256", nil)); status != 503 {
		t.Errorf("%d\n%s", status, s.logged())
	}
	s.wantLogged("a redirect to another host")
	c.mu.Lock()
	defer c.mu.Unlock()
	elsewhere.mu.Lock()
	defer elsewhere.mu.Unlock()
	if len(c.sent) != 1 || c.sent[0] != "Bearer first" || len(elsewhere.sent) != 0 {
		t.Errorf("sent %q, and elsewhere %q", c.sent, elsewhere.sent)
	}
}

// TestE2E_S30_Proxy: with a proxy in the environment the issuer is reached through
// it, and what its metadata names at a link-local or a private address is not.
func TestE2E_S30_Proxy(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	issuer, keysAt := newTokenIssuer(t), "https://example.com/keys"
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			fmt.Fprintf(w, `{"issuer":"https://example.com","jwks_uri":%q}`, keysAt)
		case "/keys":
			fmt.Fprint(w, issuer.keys(""))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	through := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Host)
		mu.Unlock()
		behind, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			return
		}
		defer behind.Close()
		client, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer client.Close()
		fmt.Fprint(client, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(behind, client) }()
		_, _ = io.Copy(client, behind)
	}))
	defer through.Close()
	_, _ = http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "https", Host: "example.com"}}) // the test's own clients keep what they have
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		t.Setenv(name, through.URL)
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		t.Setenv(name, "")
	}
	for at, want := range map[string]int{"https://example.com/keys": 200, "https://169.254.169.254/keys": 503, "https://10.0.0.1/keys": 503, "https://metadata.internal/keys": 503} {
		mu.Lock()
		keysAt, asked = at, nil
		mu.Unlock()
		w := newEnv(t)
		w.Write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
		s, site := w.serve("policy_auth {\n jwt https://example.com {\n tls_ca DIR/ca.pem\n audience api\n }\n}\nrespond reached")
		status, _, _ := do(t, "GET", site+"/", "", "Authorization", "Bearer "+issuer.sign(t, "ES256", map[string]any{"iss": "https://example.com"}))
		mu.Lock()
		if status != want || strings.Contains(strings.Join(asked, " "), "169.254") || strings.Contains(strings.Join(asked, " "), "10.0.0.1") || strings.Contains(strings.Join(asked, " "), "metadata") || len(asked) == 0 {
			t.Errorf("%s: %d; the proxy was asked for %q\n%s", at, status, asked, s.logged())
		}
		mu.Unlock()
		s.stop()
	}
}

// TestE2E_S30_Metadata: the provider's endpoints change while a user signs in and
// the server restarts: the code is sent nowhere, and the sign-in is begun anew.
func TestE2E_S30_Metadata(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // over the restart
	s, site := w.serve("policy_auth {\n" + oidcSite(fake, "") + "}\nrespond \"reached {http.request.uri}\"\n")
	person, restarted := newFollower(t), false
	person.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if !restarted && r.URL.Query().Has("code") {
			restarted = true
			fake.Set(func(p *oidctest.Provider) {
				p.Metadata = func(m map[string]any) { m["userinfo_endpoint"] = m["issuer"].(string) + "/userinfo?v=2" }
			})
			s = w.again(s)
		}
		return nil
	}
	status, _, page := person.open(site+"/page?a=b", nil)
	if status != 200 || page != "reached /page?a=b" || fake.Seen("/token") != 1 || len(fake.Asked()) != 2 {
		t.Errorf("%d %s; the token endpoint was asked %d times, for %d sign-ins\n%s", status, page, fake.Seen("/token"), len(fake.Asked()), s.logged())
	}
}
