package token

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
