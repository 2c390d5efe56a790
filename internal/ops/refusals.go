package ops

import (
	"sync"

	"github.com/policyauth/caddy-policy-auth/internal/question"
)

// maxRefusals is how many refusals are remembered, by all sites together.
const maxRefusals = 1000

// refusals are the latest ones. They outlive reloads of the configuration.
var refusals = new(ring)

// ring holds the latest refusals; a new one takes the place of the oldest.
type ring struct {
	mu   sync.Mutex
	kept []question.Refusal
	next int // where the next one goes
}

// Remember keeps a refusal for explanations.
func Remember(r question.Refusal) { refusals.add(r.Bounded()) }

func (r *ring) add(refusal question.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.kept) < maxRefusals {
		r.kept = append(r.kept, refusal)
		return
	}
	r.kept[r.next] = refusal
	r.next = (r.next + 1) % maxRefusals
}

// latest returns up to limit refusals that are wanted, the newest first.
func (r *ring) latest(limit int, wanted func(question.Refusal) bool) []question.Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := []question.Refusal{}
	for i := range r.kept {
		at := (r.next + len(r.kept) - 1 - i) % len(r.kept)
		if len(found) < limit && wanted(r.kept[at]) {
			found = append(found, r.kept[at])
		}
	}
	return found
}

// byID returns the latest refusal of a request.
func (r *ring) byID(id string) (question.Refusal, bool) {
	found := r.latest(1, func(refusal question.Refusal) bool { return refusal.ID == id })
	if len(found) == 0 {
		return question.Refusal{}, false
	}
	return found[0], true
}
