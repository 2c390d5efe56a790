package token

import "time"

// Status is the state of a key source for the admin API. It contains no key
// material.
type Status struct {
	// Issuer and URL, or Files, are where the keys come from; URL is "" until it
	// was found.
	Issuer string   `json:"issuer,omitempty"`
	URL    string   `json:"url,omitempty"`
	Files  []string `json:"files,omitempty"`
	// Keys are the usable keys.
	Keys []KeyStatus `json:"keys"`
	// FetchedAt is when they were fetched, FreshUntil when they will be again.
	FetchedAt  time.Time `json:"fetched_at,omitzero"`
	FreshUntil time.Time `json:"fresh_until,omitzero"`
	// Error says why the last fetch failed; "" if it did not.
	Error string `json:"error"`
}

// KeyStatus describes a key.
type KeyStatus struct {
	// KID is the kid that the issuer published, or "".
	KID string `json:"kid"`
	// Algorithms are those that it verifies.
	Algorithms []string `json:"algorithms"`
}

// Status returns the state of the key set.
func (r *RemoteKeySet) Status() Status {
	r.mu.Lock()
	s := Status{Issuer: r.config.Issuer, URL: r.url, Keys: []KeyStatus{}}
	if r.failure != nil {
		s.Error = r.failure.Error()
	}
	r.mu.Unlock()
	if state := r.state.Load(); state != nil {
		s.FetchedAt, s.FreshUntil, s.Keys = state.fetchedAt, state.freshUntil, state.set.Status()
	}
	return s
}

// Status describes the keys of the set.
func (s *KeySet) Status() []KeyStatus {
	keys := make([]KeyStatus, len(s.keys))
	for i, k := range s.keys {
		keys[i] = KeyStatus{KID: k.id, Algorithms: k.algorithms}
	}
	return keys
}
