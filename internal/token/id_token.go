package token

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"hash"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Expected is what an ID token is compared with.
type Expected struct {
	// Nonce is the nonce of the authentication request. A token without a nonce is
	// accepted only if Refreshed is set.
	Nonce string
	// AccessToken and Code were issued with the token. If the token has at_hash or
	// c_hash, it must match. "" means none.
	AccessToken, Code string
	// ACRValues are the accepted values of acr. Empty accepts any token.
	ACRValues []string
	// MaxAge is the maximum age of the sign-in in seconds, or negative for any.
	MaxAge int64
	// Refreshed says that the token was issued for a refresh token: it must have
	// Subject, and AuthTime if both are known, and may omit the nonce (OpenID
	// Connect Core, section 12.2).
	Refreshed bool
	Subject   string
	AuthTime  int64
}

// IDToken is a verified ID token (OpenID Connect Core, section 2).
type IDToken struct {
	// Subject is sub, which names the user for the issuer; never empty.
	Subject string
	// SessionID is sid, the issuer's identifier of the user's session, or "".
	SessionID string
	// AuthTime is when the user signed in, in seconds since 1970, or 0.
	AuthTime int64
	// Incomplete says that userinfo was not available: every empty field of the
	// identity is unknown.
	Incomplete bool
	claims     object
}

// Expires returns exp, in seconds since 1970.
func (t *IDToken) Expires() int64 {
	number, _ := t.claims["exp"].(json.Number)
	seconds, _ := number.Float64()
	return int64(min(max(seconds, 0), 1<<40))
}

// idTokenChecks are the checks of OpenID Connect Core, section 3.1.3.7, that need
// no key, in the order of claimChecks.
var idTokenChecks = []func(*Verifier, header, object) error{
	(*Verifier).checkIssuer,
	(*Verifier).checkAudience,
	(*Verifier).checkAuthorizedParty,
	(*Verifier).checkSubject,
	(*Verifier).checkIssuedAt,
	(*Verifier).checkTimes,
}

// VerifyID verifies an ID token for the client whose ID is the verifier's only
// audience. An error is an *Error. The reason login_state_invalid means that the
// token belongs to another sign-in, and step_up_required that the token is valid
// but the user did not sign in as required.
func (v *Verifier) VerifyID(raw string, want Expected) (*IDToken, error) {
	t, claims, err := v.parseType(raw, "jwt", v.algorithms, idTokenChecks)
	if err != nil {
		return nil, err
	}
	if err := v.checkSignature(t); err != nil {
		return nil, err
	}
	if err := checkIDTokenBinding(t.header.algorithm, claims, want); err != nil {
		return nil, err
	}
	return v.idToken(claims, want)
}

// parseType parses a token with one of the algorithms, whose typ, if present, must
// be the given one, and checks its claims.
func (v *Verifier) parseType(raw, typ string, algorithms []string, checks []func(*Verifier, header, object) error) (*jws, object, error) {
	t, err := v.parse(raw, maxIssuerToken, algorithms)
	if err != nil {
		return nil, nil, err
	}
	if got := normalizeType(t.header.typ); t.header.hasTyp && got != typ && got != "jwt" {
		return nil, nil, refuse(authenticator.ReasonTokenType, "expected_type", typ, "received_type", t.header.typ)
	}
	claims, err := t.claims()
	if err != nil {
		return nil, nil, err
	}
	for _, check := range checks {
		if err := check(v, t.header, claims); err != nil {
			return nil, nil, err
		}
	}
	return t, claims, nil
}

// checkAuthorizedParty rejects tokens issued to another client, and tokens with
// other audiences unless azp is this client or all audiences are configured (items
// 3 to 5).
func (v *Verifier) checkAuthorizedParty(_ header, claims object) error {
	received, err := audiences(claims)
	if err != nil {
		return malformed("the payload %v", err)
	}
	party, present, err := claims.text("azp")
	if err != nil {
		return malformed("the payload %v", err)
	}
	if present {
		if !slices.Contains(v.audiences, party) {
			return refuse(authenticator.ReasonTokenAudience, "problem", "the token was issued to another client", "received_azp", party)
		}
		return nil
	}
	for _, audience := range received {
		if !slices.Contains(v.audiences, audience) && !slices.Contains(v.extraAudiences, audience) {
			return refuse(authenticator.ReasonTokenAudience, "problem", "the token is for others too and has no azp; name them by audience in login oidc if that is right",
				"received_audience", strings.Join(received, " "))
		}
	}
	return nil
}

// checkIDTokenBinding checks the claims that bind a token to one sign-in: nonce,
// at_hash and c_hash (item 11, and sections 3.1.3.8 and 3.3.2.11).
func checkIDTokenBinding(algorithm string, claims object, want Expected) error {
	nonce, present, err := claims.text("nonce")
	if err != nil {
		return malformed("the payload %v", err)
	}
	if (present || !want.Refreshed) && (want.Nonce == "" || subtle.ConstantTimeCompare([]byte(nonce), []byte(want.Nonce)) != 1) {
		return refuse(authenticator.ReasonLoginStateInvalid, "problem", "the nonce is not the one of this sign-in")
	}
	for claim, value := range map[string]string{"at_hash": want.AccessToken, "c_hash": want.Code} {
		received, present, err := claims.text(claim)
		if err != nil {
			return malformed("the payload %v", err)
		}
		if present && value != "" && received != halfHash(algorithm, value) {
			return refuse(authenticator.ReasonTokenMalformed, "problem", claim+" is not of what came with the token")
		}
	}
	return nil
}

// halfHash returns the left half of a value's hash, with the hash function of the
// algorithm (OpenID Connect Core, section 3.1.3.6).
func halfHash(algorithm, value string) string {
	var h hash.Hash
	switch {
	case strings.HasSuffix(algorithm, "256"):
		h = sha256.New()
	case strings.HasSuffix(algorithm, "384"):
		h = sha512.New384()
	default: // 512, and Ed25519, which uses SHA-512
		h = sha512.New()
	}
	h.Write([]byte(value))
	sum := h.Sum(nil)
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// idToken reads what a session needs to know, and checks how the user signed in
// (items 12 and 13).
func (v *Verifier) idToken(claims object, want Expected) (*IDToken, error) {
	m := &mapping{verifier: v, claims: claims}
	t := &IDToken{SessionID: stringOrNumber(claims["sid"]), AuthTime: m.authTime(), claims: claims}
	t.Subject, _, _ = claims.text("sub") // checked by checkSubject
	acr := m.label("acr")
	switch oldest := v.now().Add(-v.leeway).Add(-time.Duration(max(want.MaxAge, 0)) * time.Second); {
	case t.Subject == "":
		return nil, malformed("the payload has no sub")
	case want.Refreshed && t.Subject != want.Subject:
		return nil, refuse(authenticator.ReasonCredentialsInvalid, "problem", "the refreshed token is about another user")
	case want.Refreshed && t.AuthTime != 0 && want.AuthTime != 0 && t.AuthTime != want.AuthTime:
		return nil, refuse(authenticator.ReasonCredentialsInvalid, "problem", "the refreshed token is of another sign-in")
	case len(want.ACRValues) > 0 && !slices.Contains(want.ACRValues, acr):
		return nil, refuse(authenticator.ReasonStepUpRequired, "expected_acr", strings.Join(want.ACRValues, " "), "received_acr", acr)
	case want.MaxAge >= 0 && (t.AuthTime == 0 || time.Unix(t.AuthTime, 0).Before(oldest)):
		return nil, refuse(authenticator.ReasonStepUpRequired, "expected_max_age", strconv.FormatInt(want.MaxAge, 10), "received_auth_time", strconv.FormatInt(t.AuthTime, 10))
	}
	return t, nil
}

// Identify returns the identity of an ID token and of userinfo claims, which cannot
// replace claims of the token. The identity has no expiry.
func (v *Verifier) Identify(t *IDToken, more map[string]any) (*authenticator.Identity, error) {
	claims := make(object, len(t.claims)+len(more))
	maps.Copy(claims, more)
	for _, name := range idTokenOnlyClaims {
		delete(claims, name)
	}
	for name, value := range t.claims {
		if value != nil || claims[name] == nil { // null counts as missing
			claims[name] = value
		}
	}
	keepTogether(claims, t.claims, more)
	id, err := v.identify(claims, authenticator.KindUser, Confirmation{}.Bound())
	if err != nil {
		return nil, err
	}
	id.Method, id.ExpiresAt = "oidc", 0
	if t.Incomplete {
		id.Unknown = slices.Compact(slices.Sorted(slices.Values(append(id.Unknown, emptyFields(id)...))))
	}
	return id, nil
}

// verifiedSuffix ends the names of claims that say whether another one was verified, such as
// email_verified and phone_number_verified.
const verifiedSuffix = "_verified"

// keepTogether takes each such claim from the document that its subject is from: what
// userinfo says of one address holds for no other address of the ID token.
func keepTogether(claims, idToken, userinfo map[string]any) {
	for name := range claims {
		of, ok := strings.CutSuffix(name, verifiedSuffix)
		if !ok {
			continue
		}
		from := idToken
		if userinfo[of] != nil && (from[of] == nil || from[name] == nil && sameText(from[of], userinfo[of])) {
			from = userinfo
		}
		if value, present := from[name]; present {
			claims[name] = value
		} else if claims[of] != nil {
			delete(claims, name)
		}
	}
}

// sameText reports whether two claims are one string.
func sameText(a, b any) bool {
	text, ok := a.(string)
	return ok && b == any(text)
}

// emptyFields returns the empty fields of an identity that userinfo could have
// filled.
func emptyFields(id *authenticator.Identity) []string {
	fields := []string{"claims"}
	for name, empty := range map[string]bool{
		"username": id.Username == "", "name": id.Name == "", "email": id.Email == "",
		"roles": len(id.Roles) == 0, "groups": len(id.Groups) == 0,
	} {
		if empty {
			fields = append(fields, name)
		}
	}
	return fields
}

// idTokenOnlyClaims are claims about the token and the sign-in, which are not taken
// from userinfo.
var idTokenOnlyClaims = []string{"iss", "aud", "azp", "exp", "iat", "nbf", "jti", "sid", "nonce", "at_hash", "c_hash", "acr", "amr", "auth_time"}

// ParseVerified reads an ID token again that VerifyID accepted and that was kept since then
// where no client can change it. It is not verified again: by now it has expired, and
// the key that signed it may be gone.
func (v *Verifier) ParseVerified(raw string) (*IDToken, error) {
	t, err := parse(raw, maxIssuerToken)
	if err != nil {
		return nil, err
	}
	claims, err := t.claims()
	if err != nil {
		return nil, err
	}
	m := &mapping{verifier: v, claims: claims}
	kept := &IDToken{SessionID: stringOrNumber(claims["sid"]), AuthTime: m.authTime(), claims: claims}
	if kept.Subject, _, err = claims.text("sub"); err != nil || kept.Subject == "" {
		return nil, malformed("the payload has no sub")
	}
	return kept, nil
}
