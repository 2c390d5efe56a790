package deny

import (
	"net/http"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// codeServiceWorker is the code of a refusal for a service worker's script.
const codeServiceWorker = "service_worker"

// Early is what became of a request that an attacker may have sent again (RFC 8470,
// section 5.2): it is refused before anything acts on it.
func Early() authenticator.Outcome {
	return authenticator.Outcome{Verdict: authenticator.Malformed, Reason: authenticator.ReasonEarlyData}
}

// NoServiceWorker refuses a browser that asks for the script of a service worker,
// which would see every password that is typed on the site's sign-in page (S-09).
func NoServiceWorker() policy.Decision {
	denied := policy.Denied(authenticator.ReasonPolicyDenied, codeServiceWorker)
	denied.Status = http.StatusForbidden
	return denied
}

// HiddenMethod returns the outcome of a preflight whose path holds a parameter that an
// application may take for another method, if it decodes the path again.
func HiddenMethod() authenticator.Outcome {
	return authenticator.Outcome{
		Verdict: authenticator.Malformed, Reason: authenticator.ReasonPathAmbiguous, Details: []authenticator.Detail{{Name: "parameter", Value: request.MethodParameter}},
	}
}
