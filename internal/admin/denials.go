package admin

import (
	"path"
	"strings"
	"sync"

	"github.com/policyauth/caddy-policy-auth/internal/policy/decisionlog"
)

const (
	// maxDenials is the number of denied requests that are kept, for all sites together.
	maxDenials = 1000
	// maxAutomaticDenials is how many of requests that no person and no program asked for.
	maxAutomaticDenials = 50
)

// denials are the latest ones, and unasked those of what browsers look for by
// themselves, which would drive the others out. They outlive reloads of the
// configuration.
var denials, automaticDenials = newRing(maxDenials), newRing(maxAutomaticDenials)

// denialLog holds the latest refusals; a new one takes the place of the oldest.
type denialLog struct {
	mu   sync.Mutex
	size int
	kept []decisionlog.Refusal
	next int // where the next one goes
}

func newRing(size int) *denialLog { return &denialLog{size: size} }

// RecordDenial keeps a refusal for explanations.
func RecordDenial(r decisionlog.Refusal) {
	if isAutomatic(r.Path) {
		automaticDenials.add(r.Bounded())
		return
	}
	denials.add(r.Bounded())
}

// isAutomatic reports whether browsers ask for a path by themselves: icons of a
// site, and what their tools for developers look for.
func isAutomatic(asked string) bool {
	name := path.Base(asked)
	return name == "favicon.ico" || name == "com.chrome.devtools.json" || strings.HasPrefix(name, "apple-touch-icon") && strings.HasSuffix(name, ".png")
}

// withID returns up to limit refusals of a request, the newest first; several
// handlers may have refused it.
func withID(id string, limit int) []decisionlog.Refusal {
	wanted := func(refusal decisionlog.Refusal) bool { return refusal.ID == id }
	if found := denials.latest(limit, wanted); len(found) > 0 {
		return found
	}
	return automaticDenials.latest(limit, wanted)
}

func (r *denialLog) add(refusal decisionlog.Refusal) {
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
func (r *denialLog) latest(limit int, wanted func(decisionlog.Refusal) bool) []decisionlog.Refusal {
	found := r.find(limit, wanted)
	for i := range found {
		found[i] = found[i].Complete()
	}
	return found
}

// find returns the same as they are kept.
func (r *denialLog) find(limit int, wanted func(decisionlog.Refusal) bool) []decisionlog.Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := []decisionlog.Refusal{}
	for i := range r.kept {
		at := (r.next + len(r.kept) - 1 - i) % len(r.kept)
		if len(found) < limit && wanted(r.kept[at]) {
			found = append(found, r.kept[at])
		}
	}
	return found
}
