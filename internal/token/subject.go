package token

// A holder tells which keys it has, without waiting for others.
type cachedKeySource interface {
	CachedCandidates(kid, algorithm string) []Key
}

// Subject returns the id of the caller in a token that was refused, for logs, or "" if
// none of the keys at hand signed it. It neither waits for keys nor checks whether the
// token is good.
func (v *Verifier) Subject(raw string) string {
	keys, ok := v.keys.(cachedKeySource)
	if !ok {
		return ""
	}
	t, err := v.parse(raw, maxIssuerToken, v.algorithms)
	if err != nil {
		return ""
	}
	claims, err := t.claims()
	if err != nil || v.checkIssuer(t.header, claims) != nil {
		return ""
	}
	candidates := keys.CachedCandidates(t.header.keyID, t.header.algorithm)
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

// CachedCandidates returns the keys that a token may mean, as Candidates does.
func (s *KeySet) CachedCandidates(kid, algorithm string) []Key {
	keys, _ := s.Candidates(kid, algorithm)
	return keys
}

// CachedCandidates returns those of the fetched keys that a token may mean. If there are none
// yet, it has them fetched for the next token.
func (r *RemoteKeySet) CachedCandidates(kid, algorithm string) []Key {
	state := r.usable()
	if state == nil {
		r.refresh(false)
		return nil
	}
	return state.set.CachedCandidates(kid, algorithm)
}
