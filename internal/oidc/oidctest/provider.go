// Package oidctest is an OpenID provider for tests. It holds its client to the
// standards: a code is used once, with the verifier and the redirect URI of its
// request, by the client that can prove who it is; a refresh token too. A test
// makes it misbehave by changing what it sends.
package oidctest

import (
	"crypto"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Provider is a provider with one client. Its fields may be changed between
// requests; those that are functions are called without its lock.
type Provider struct {
	// URL is the issuer.
	URL string
	// ClientID and ClientSecret are the client's; without a secret it is public.
	ClientID, ClientSecret string
	// ClientKey verifies the client's assertions, which then prove who it is instead.
	ClientKey crypto.PublicKey
	// Pushed says that requests have to be pushed (RFC 9126).
	Pushed bool
	// Claims are what the provider says of the user; at least sub.
	Claims map[string]any
	// ExpiresIn is how long access tokens last, in seconds.
	ExpiresIn int
	// Now is the clock.
	Now func() time.Time

	// Metadata changes the discovery document.
	Metadata func(map[string]any)
	// Answer changes what the browser brings back from the authorization endpoint.
	Answer func(asked, answer url.Values)
	// IDToken changes an ID token before it is signed; grant is the grant_type.
	IDToken func(grant string, header, claims map[string]any)
	// Sign signs instead of the current key.
	Sign func(header, claims map[string]any) string
	// Tokens changes what the token endpoint gives.
	Tokens func(grant string, answer map[string]any)
	// ContentType is what the token endpoint calls its answers; "" for application/json.
	ContentType string
	// Userinfo changes what the userinfo endpoint says.
	Userinfo func(map[string]any)
	// Down makes every endpoint answer 503.
	Down bool

	mu       sync.Mutex
	key      Key
	keys     []Key
	codes    map[string]url.Values // of the authorization requests
	refresh  map[string]string     // from refresh token to nonce
	access   map[string]bool
	asked    []url.Values // authorization requests
	signOuts []url.Values
	seen     map[string]int // requests by path
	style    string         // how the client proved who it is, the last time
	pushed   map[string]url.Values
	used     map[string]bool // the jti of assertions
}

// firstKey is what every provider begins with.
var firstKey = sync.OnceValue(func() Key { return NewKey("RS256") })

// New starts a provider that ends with the test.
func New(t testing.TB) *Provider {
	t.Helper()
	p, _ := start(t, httptest.NewServer)
	return p
}

// NewTLS starts a provider with a certificate for 127.0.0.1 and example.com, and
// returns the root in PEM that it is issued by.
func NewTLS(t testing.TB) (p *Provider, root string) {
	t.Helper()
	p, server := start(t, httptest.NewTLSServer)
	return p, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

// start starts a provider by a function of httptest.
func start(t testing.TB, begin func(http.Handler) *httptest.Server) (*Provider, *httptest.Server) {
	t.Helper()
	p := &Provider{
		ClientID: "our-client", ClientSecret: "test-material-not-a-secret", ExpiresIn: 300, Now: time.Now,
		Claims: map[string]any{"sub": "user-1", "preferred_username": "alice", "name": "Alice Example", "email": "alice@example.com"},
		codes:  map[string]url.Values{}, refresh: map[string]string{}, access: map[string]bool{}, seen: map[string]int{},
		pushed: map[string]url.Values{}, used: map[string]bool{},
	}
	p.SetKeys(firstKey())
	server := begin(p)
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p, server
}

// Rotate makes the provider sign with a new key, and publish that one alone.
func (p *Provider) Rotate(algorithm string) { p.SetKeys(NewKey(algorithm)) }

// SetKeys makes the provider publish keys, and sign with the first.
func (p *Provider) SetKeys(keys ...Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key, p.keys = keys[0], keys
}

// Set changes the provider while it serves.
func (p *Provider) Set(change func(*Provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

// Forget takes back every token.
func (p *Provider) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.refresh)
	clear(p.access)
}

// Asked returns the authorization requests so far.
func (p *Provider) Asked() []url.Values { return p.list(&p.asked) }

// SignOuts returns the requests for signing out so far.
func (p *Provider) SignOuts() []url.Values { return p.list(&p.signOuts) }

func (p *Provider) list(of *[]url.Values) []url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]url.Values(nil), *of...)
}

// Seen returns how many requests there were for a path, such as /token.
func (p *Provider) Seen(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[path]
}

// Style returns how the client proved who it is the last time: header, body,
// assertion and its algorithm, or none.
func (p *Provider) Style() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.style
}

// ServeHTTP implements http.Handler.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.seen[r.URL.Path]++
	down := p.Down
	p.mu.Unlock()
	if down {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		p.serveMetadata(w)
	case "/keys":
		p.serveKeys(w)
	case "/authorize":
		p.serveAuthorize(w, r)
	case "/par":
		p.servePushed(w, r)
	case "/token":
		p.serveToken(w, r)
	case "/userinfo":
		p.serveUserinfo(w, r)
	case "/end_session":
		p.serveEndSession(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (p *Provider) serveMetadata(w http.ResponseWriter) {
	p.mu.Lock()
	change, algorithm, pushed := p.Metadata, p.key.Algorithm, p.Pushed
	p.mu.Unlock()
	document := map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
		"userinfo_endpoint": p.URL + "/userinfo", "end_session_endpoint": p.URL + "/end_session", "jwks_uri": p.URL + "/keys",
		"id_token_signing_alg_values_supported": []string{algorithm}, "code_challenge_methods_supported": []string{"S256"},
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"authorization_response_iss_parameter_supported": true,
	}
	if pushed {
		document["pushed_authorization_request_endpoint"], document["require_pushed_authorization_requests"] = p.URL+"/par", true
	}
	if change != nil {
		change(document)
	}
	writeJSON(w, http.StatusOK, document)
}

func (p *Provider) serveKeys(w http.ResponseWriter) {
	p.mu.Lock()
	var keys []map[string]any
	for _, key := range p.keys {
		keys = append(keys, key.public())
	}
	p.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"keys": keys})
}

func (p *Provider) serveUserinfo(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	known := p.access[r.Header.Get("Authorization")]
	claims, change := maps.Clone(p.Claims), p.Userinfo
	p.mu.Unlock()
	if !known {
		http.Error(w, "who is asking?", http.StatusUnauthorized)
		return
	}
	if change != nil {
		change(claims)
	}
	writeJSON(w, http.StatusOK, claims)
}

func (p *Provider) serveEndSession(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	back, err := url.Parse(asked.Get("post_logout_redirect_uri"))
	if err != nil || asked.Get("client_id") != p.ClientID {
		http.Error(w, "not a sign-out of our client", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.signOuts = append(p.signOuts, asked)
	p.mu.Unlock()
	back.RawQuery = url.Values{"state": {asked.Get("state")}}.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

// Key signs.
type Key struct {
	ID        string // "" for none
	Algorithm string
	Private   crypto.Signer
}
