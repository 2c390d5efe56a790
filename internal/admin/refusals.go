package admin

import (
	"path"
	"strings"
	"sync"

	"github.com/policyauth/caddy-policy-auth/internal/question"
)

const (
	// maxRefusals is how many refusals are remembered, by all sites together.
	maxRefusals = 1000
	// maxUnasked is how many of requests that no person and no program asked for.
	maxUnasked = 50
)

// refusals are the latest ones, and unasked those of what browsers look for by
// themselves, which would drive the others out. They outlive reloads of the
// configuration.
var refusals, unasked = newRing(maxRefusals), newRing(maxUnasked)

// ring holds the latest refusals; a new one takes the place of the oldest.
type ring struct {
	mu   sync.Mutex
	size int
	kept []question.Refusal
	next int // where the next one goes
}

func newRing(size int) *ring { return &ring{size: size} }

// RecordDenial keeps a refusal for explanations.
func RecordDenial(r question.Refusal) {
	if isUnasked(r.Path) {
		unasked.add(r.Bounded())
		return
	}
	refusals.add(r.Bounded())
}

// isUnasked reports whether browsers ask for a path by themselves: icons of a
// site, and what their tools for developers look for.
func isUnasked(asked string) bool {
	name := path.Base(asked)
	return name == "favicon.ico" || name == "com.chrome.devtools.json" || strings.HasPrefix(name, "apple-touch-icon") && strings.HasSuffix(name, ".png")
}

// withID returns up to limit refusals of a request, the newest first; several
// handlers may have refused it.
func withID(id string, limit int) []question.Refusal {
	wanted := func(refusal question.Refusal) bool { return refusal.ID == id }
	if found := refusals.latest(limit, wanted); len(found) > 0 {
		return found
	}
	return unasked.latest(limit, wanted)
}

func (r *ring) add(refusal question.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.kept) < r.size {
		r.kept = append(r.kept, refusal)
		return
	}
	r.kept[r.next] = refusal
	r.next = (r.next + 1) % r.size
}

// latest returns up to limit refusals that are wanted, the newest first.
func (r *ring) latest(limit int, wanted func(question.Refusal) bool) []question.Refusal {
	found := r.find(limit, wanted)
	for i := range found {
		found[i] = found[i].Complete()
	}
	return found
}

// find returns the same as they are kept.
func (r *ring) find(limit int, wanted func(question.Refusal) bool) []question.Refusal {
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
