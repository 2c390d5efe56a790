package oidctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// serveToken gives tokens for a code, or for a refresh token.
func (p *Provider) serveToken(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	w.Header().Set("Content-Type", p.ContentType)
	p.mu.Unlock()
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		refuse(w, "invalid_request", "")
		return
	}
	if !p.isClient(r) {
		refuse(w, "invalid_client", r.PostForm.Get("client_secret"))
		return
	}
	nonce, ok := p.redeem(r.PostForm)
	if !ok {
		refuse(w, "invalid_grant", r.PostForm.Get("code")+r.PostForm.Get("refresh_token"))
		return
	}
	writeJSON(w, http.StatusOK, p.tokens(r.PostForm.Get("grant_type"), nonce))
}

// refuse answers with an error (RFC 6749, section 5.2), and repeats what was sent, as
// providers do.
func refuse(w http.ResponseWriter, code, sent string) {
	writeJSON(w, http.StatusBadRequest, map[string]any{"error": code, "error_description": "<script>alert(1)</script> " + sent})
}

// isClient reports whether the client proved who it is, in one way.
func (p *Provider) isClient(r *http.Request) bool {
	if p.ClientKey != nil {
		return p.isAsserted(r)
	}
	id, secret, inHeader := r.BasicAuth()
	style := "header"
	if !inHeader {
		id, secret, style = url.QueryEscape(r.PostForm.Get("client_id")), url.QueryEscape(r.PostForm.Get("client_secret")), "body"
		if secret == "" {
			style = "none"
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.style = style
	return id == url.QueryEscape(p.ClientID) && secret == url.QueryEscape(p.ClientSecret) && (!inHeader || !r.PostForm.Has("client_secret"))
}

// isAsserted reports whether a client assertion proves who the client is, once, to
// this issuer alone and for a short time (RFC 7523, section 3).
func (p *Provider) isAsserted(r *http.Request) bool {
	now := p.Now()
	form := r.PostForm
	parsed, err := jwt.Parse(form.Get("client_assertion"), func(*jwt.Token) (any, error) { return p.ClientKey, nil },
		jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	if err != nil || r.Header.Get("Authorization") != "" || form.Has("client_secret") || form.Get("client_id") != p.ClientID ||
		form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return false
	}
	claims := parsed.Claims.(jwt.MapClaims)
	until, _ := claims.GetExpirationTime()
	id, _ := claims["jti"].(string)
	p.mu.Lock()
	defer p.mu.Unlock()
	used := p.used[id]
	p.used[id], p.style = true, "assertion "+parsed.Header["alg"].(string)
	return !used && len(id) >= 16 && claims["aud"] == p.URL && claims["iss"] == p.ClientID && claims["sub"] == p.ClientID && until.Sub(now) <= 2*time.Minute
}

// redeem takes a code or a refresh token, each for one use, and returns the
// nonce that it was asked for with.
func (p *Provider) redeem(form url.Values) (nonce string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch form.Get("grant_type") {
	case "authorization_code":
		asked, known := p.codes[form.Get("code")]
		delete(p.codes, form.Get("code"))
		challenge := sha256.Sum256([]byte(form.Get("code_verifier")))
		return asked.Get("nonce"), known && asked.Get("redirect_uri") == form.Get("redirect_uri") &&
			asked.Get("code_challenge") == base64.RawURLEncoding.EncodeToString(challenge[:])
	case "refresh_token":
		nonce, known := p.refresh[form.Get("refresh_token")]
		delete(p.refresh, form.Get("refresh_token"))
		return nonce, known
	}
	return "", false
}

// tokens makes an answer of the token endpoint.
func (p *Provider) tokens(grant, nonce string) map[string]any {
	access, refresh := rand.Text(), rand.Text()
	p.mu.Lock()
	now, change := p.Now().Unix(), p.Tokens
	p.access["Bearer "+access], p.refresh[refresh] = true, nonce
	claims := map[string]any{
		"iss": p.URL, "aud": p.ClientID, "sub": p.Claims["sub"], "iat": now, "exp": now + 300, "auth_time": now, "sid": "session-1",
		"at_hash": halfHash(access),
	}
	if grant == "authorization_code" {
		claims["nonce"] = nonce
	} else {
		delete(claims, "auth_time")
	}
	header := map[string]any{"alg": p.key.Algorithm, "kid": p.key.ID, "typ": "JWT"}
	if p.key.ID == "" {
		delete(header, "kid")
	}
	edit, expires := p.IDToken, p.ExpiresIn
	p.mu.Unlock()
	if edit != nil {
		edit(grant, header, claims)
	}
	answer := map[string]any{"access_token": access, "token_type": "Bearer", "refresh_token": refresh, "expires_in": expires, "id_token": p.SignToken(header, claims)}
	if change != nil {
		change(grant, answer)
	}
	return answer
}

// halfHash is at_hash with SHA-256.
func halfHash(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// LogoutToken makes a logout token for the user, changed.
func (p *Provider) LogoutToken(change func(header, claims map[string]any)) string {
	p.mu.Lock()
	now := p.Now().Unix()
	header := map[string]any{"alg": p.key.Algorithm, "kid": p.key.ID, "typ": "logout+jwt"}
	claims := map[string]any{
		"iss": p.URL, "aud": p.ClientID, "sub": p.Claims["sub"], "sid": "session-1", "iat": now, "exp": now + 120, "jti": rand.Text(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	p.mu.Unlock()
	if change != nil {
		change(header, claims)
	}
	return p.SignToken(header, claims)
}

// SignToken signs by what the header says, with the current key.
func (p *Provider) SignToken(header, claims map[string]any) string {
	p.mu.Lock()
	sign, key := p.Sign, p.key
	p.mu.Unlock()
	if sign != nil {
		return sign(header, claims)
	}
	return Sign(key.Private, header, claims)
}

// Sign makes a token of anything, signed by the header's alg; "none" leaves the
// signature empty.
func Sign(key any, header, claims map[string]any) string {
	signed := segment(header) + "." + segment(claims)
	algorithm, _ := header["alg"].(string)
	if algorithm == "none" {
		return signed + "."
	}
	if algorithm == "Ed25519" { // the newer name (RFC 9864), which the library does not know
		algorithm = "EdDSA"
	}
	signature, err := jwt.GetSigningMethod(algorithm).Sign(signed, key)
	if err != nil {
		panic(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func segment(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(encoded)
}

// NewKey makes a key for RS256, ES256 or Ed25519.
func NewKey(algorithm string) Key {
	var private crypto.Signer
	var err error
	switch algorithm {
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "Ed25519":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		panic(err)
	}
	return Key{ID: rand.Text(), Algorithm: algorithm, Private: private}
}

// public returns the key as it is published (RFC 7517).
func (k Key) public() map[string]any {
	jwk := map[string]any{"use": "sig", "alg": k.Algorithm}
	if k.ID != "" {
		jwk["kid"] = k.ID
	}
	encode := base64.RawURLEncoding.EncodeToString
	switch public := k.Private.Public().(type) {
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", encode(public.N.Bytes()), encode(big.NewInt(int64(public.E)).Bytes())
	case ed25519.PublicKey:
		jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", encode(public)
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // 4, x, y
		if err != nil {
			panic(err)
		}
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", "P-256", encode(point[1:33]), encode(point[33:])
	}
	return jwk
}
