package observe

import (
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// The collectors exist once and are registered with every registry, because Caddy creates a
// registry for each configuration (T-69). Labels have a fixed set of values: no label is a
// user, a path, a key or a code of a policy.
var (
	decisions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "policy_auth", Name: "decisions_total",
		Help: "Decisions by outcome and reason.",
	}, []string{"decision", "reason"})
	authentications = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "policy_auth", Name: "authentications_total",
		Help: "Presented credentials by method and outcome.",
	}, []string{"method", "outcome"})
	evaluations = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "caddy", Subsystem: "policy_auth", Name: "evaluation_seconds",
		Help:    "Time spent on evaluating policies for a request.",
		Buckets: prometheus.ExponentialBuckets(1e-6, 4, 10),
	})
	reloads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "policy_auth", Name: "policy_reloads_total",
		Help: "Reloads of policies and access tables by outcome.",
	}, []string{"outcome"})
	sessions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "policy_auth", Name: "sessions_total",
		Help: "Sessions started and ended by users, and failed sign-ins, by event and reason.",
	}, []string{"event", "reason"})
	decisionCache = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "policy_auth", Name: "decision_cache_total",
		Help: "Lookups in the decision cache by outcome: hit, miss, or difference (evaluating a hit again gave another result).",
	}, []string{"outcome"})
	allowed    = decisions.WithLabelValues("allow", "")
	hit        = decisionCache.WithLabelValues("hit")
	miss       = decisionCache.WithLabelValues("miss")
	difference = decisionCache.WithLabelValues("difference")
)

// verdicts names the outcomes of a credential for a label.
var verdicts = map[authenticator.Verdict]string{
	authenticator.Unclaimed:   "rejected",
	authenticator.Accepted:    "accepted",
	authenticator.Rejected:    "rejected",
	authenticator.Malformed:   "malformed",
	authenticator.Unavailable: "unavailable",
	authenticator.Failed:      "failed",
}

// Register adds the collectors to a registry. A registry that has them is left
// as it is.
func Register(registry prometheus.Registerer) error {
	for _, collector := range []prometheus.Collector{decisions, authentications, evaluations, reloads, sessions, decisionCache, crossOrigin} {
		var already prometheus.AlreadyRegisteredError
		if err := registry.Register(collector); err != nil && !errors.As(err, &already) {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}

// CountDenied adds a denied request to the metrics.
func CountDenied(e *Event) {
	decisions.WithLabelValues("deny", string(e.Reason)).Inc()
	countCaller(e.Outcome.Verdict, e.Outcome.Method)
	countEvaluation(e.Elapsed, e.Cached)
}

// CountAllowed adds an allowed request to the metrics: its credential, how long
// evaluating policies took, and whether the decision was cached.
func CountAllowed(verdict authenticator.Verdict, method string, elapsed time.Duration, cached string) {
	allowed.Inc()
	countCaller(verdict, method)
	countEvaluation(elapsed, cached)
}

func countCaller(verdict authenticator.Verdict, method string) {
	if outcome, presented := verdicts[verdict]; presented && method != "" {
		authenticated(method, outcome).Inc()
	}
}

func countEvaluation(elapsed time.Duration, cached string) {
	if elapsed > 0 {
		evaluations.Observe(elapsed.Seconds())
	}
	switch cached {
	case "hit":
		hit.Inc()
	case "miss":
		miss.Inc()
	}
}

// accepted are the counters of accepted credentials by method, which are found
// without the lock of a vector: most requests count one.
var accepted atomic.Pointer[map[string]prometheus.Counter]

// authenticated returns the counter of a method's outcome.
func authenticated(method, outcome string) prometheus.Counter {
	if outcome != verdicts[authenticator.Accepted] {
		return authentications.WithLabelValues(method, outcome)
	}
	known := accepted.Load()
	if known != nil {
		if counter, ok := (*known)[method]; ok {
			return counter
		}
	}
	more := map[string]prometheus.Counter{method: authentications.WithLabelValues(method, outcome)}
	if known != nil {
		maps.Copy(more, *known)
	}
	accepted.Store(&more) // a concurrent update may be lost; the next call adds it again
	return more[method]
}

// CountDifference counts a cached decision that differs from a new evaluation.
func CountDifference() { difference.Inc() }

// CountReload counts a reload of policies.
func CountReload(err error) {
	outcome := "success"
	if err != nil {
		outcome = "failure"
	}
	reloads.WithLabelValues(outcome).Inc()
}
