package token

// A holder tells which keys it has, without waiting for others.
type holder interface {
	AtHand(kid, algorithm string) []Key
}

// Subject returns the id of the caller in a token that was refused, for logs, or "" if
// none of the keys at hand signed it. It neither waits for keys nor checks whether the
// token is good.
func (v *Verifier) Subject(raw string) string {
	keys, ok := v.keys.(holder)
	if !ok {
		return ""
	}
	t, err := v.open(raw, maxFromIssuer, v.algorithms)
	if err != nil {
		return ""
	}
	claims, err := t.claims()
	if err != nil || v.checkIssuer(t.header, claims) != nil {
		return ""
	}
	candidates := keys.AtHand(t.header.keyID, t.header.algorithm)
	for _, key := range candidates[:min(len(candidates), maxCandidates)] {
		if !key.verify(t.header.algorithm, t.signed, t.signature) || checkSVID(key, claims) != nil {
			continue
		}
		m := &mapping{verifier: v, claims: claims}
		if id := m.text("id"); m.err == nil {
			return printable(id)
		}
	}
	return ""
}

// AtHand returns the keys that a token may mean, as Candidates does.
func (s *Set) AtHand(kid, algorithm string) []Key {
	keys, _ := s.Candidates(kid, algorithm)
	return keys
}

// AtHand returns those of the fetched keys that a token may mean. If there are none
// yet, it has them fetched for the next token.
func (r *Remote) AtHand(kid, algorithm string) []Key {
	state := r.usable()
	if state == nil {
		r.refresh(false)
		return nil
	}
	return state.set.AtHand(kid, algorithm)
}
