package token

// CachedKeySource is a KeySource that can return the keys that it has without fetching any.
type CachedKeySource interface {
	// CachedCandidates returns the keys that may have signed a token, of those at hand.
	CachedCandidates(kid, algorithm string) []Key
}

// Subject returns the ID of the caller of a rejected token for logs, or "" if no
// available key signed the token. It neither waits for keys nor checks whether the
// token is valid otherwise.
func (v *Verifier) Subject(raw string) string {
	keys, ok := v.keys.(CachedKeySource)
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

// CachedCandidates returns the same keys as Candidates.
func (s *KeySet) CachedCandidates(kid, algorithm string) []Key {
	keys, _ := s.Candidates(kid, algorithm)
	return keys
}

// CachedCandidates returns the fetched keys for a token. If there are none, it
// starts a fetch for later tokens.
func (r *RemoteKeySet) CachedCandidates(kid, algorithm string) []Key {
	state := r.usable()
	if state == nil {
		r.refresh(false)
		return nil
	}
	return state.set.CachedCandidates(kid, algorithm)
}
