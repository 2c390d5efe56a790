package refusal

import (
	"net/http"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// serviceWorker is the code of a refusal for a service worker's script.
const serviceWorker = "service_worker"

// Early is what became of a request that an attacker may have sent again (RFC 8470,
// section 5.2): it is refused before anything acts on it.
func Early() identity.Outcome {
	return identity.Outcome{Verdict: identity.Malformed, Reason: identity.ReasonEarlyData}
}

// NoServiceWorker refuses a browser that asks for the script of a service worker,
// which would see every password that is typed on the site's sign-in page (S-09).
func NoServiceWorker() policy.Decision {
	return policy.Decision{Reason: identity.ReasonPolicyDenied, Codes: []string{serviceWorker}, Status: http.StatusForbidden}
}

// HiddenMethod returns the outcome of a preflight whose path holds a parameter that an
// application may take for another method, if it decodes the path again.
func HiddenMethod() identity.Outcome {
	return identity.Outcome{
		Verdict: identity.Malformed, Reason: identity.ReasonPathAmbiguous, Details: []identity.Detail{{Name: "parameter", Value: request.MethodParameter}},
	}
}
