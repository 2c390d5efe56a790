package token

// userinfoChecks are those of OpenID Connect Core, section 5.3.2, for an answer
// that is signed.
var userinfoChecks = []func(*Verifier, header, object) error{
	(*Verifier).checkIssuer,
	(*Verifier).checkAudience,
	(*Verifier).checkSubject,
}

// ParseUserinfo reads the claims of a userinfo answer: a JSON object, or a token
// around one if signed: by any algorithm that the issuer's keys fit, since those of
// ID tokens are announced apart (userinfo_signing_alg_values_supported). Its sub has not been compared yet. An error is an *Error.
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
