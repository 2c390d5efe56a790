package token

// userinfoChecks are those of OpenID Connect Core, section 5.3.2, for an answer
// that is signed.
var userinfoChecks = []func(*Verifier, header, object) error{
	(*Verifier).checkIssuer,
	(*Verifier).checkAudience,
	(*Verifier).checkSubject,
}

// ParseUserinfo parses a userinfo response: a JSON object, or if signed is set a
// JWT with one of the algorithms of the issuer's keys, since
// userinfo_signing_alg_values_supported differs from that of ID tokens. It does not
// compare sub. An error is an *Error.
func (v *Verifier) ParseUserinfo(body []byte, signed bool) (map[string]any, error) {
	if !signed {
		claims, err := decodeObject(body)
		if err != nil {
			return nil, malformed("the userinfo answer %v", err)
		}
		return claims, nil
	}
	t, claims, err := v.parseType(string(body), "jwt", v.keys.Algorithms(), userinfoChecks)
	if err != nil {
		return nil, err
	}
	return claims, v.checkSignature(t)
}
