package deny

import (
	"net/http"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// codeServiceWorker is the code of a denied request for a service worker's script.
const codeServiceWorker = "service_worker"

// EarlyData denies a request in TLS early data, which an attacker may have replayed (RFC
// 8470, section 5.2), before anything acts on it.
func EarlyData() authenticator.Outcome {
	return authenticator.Outcome{Verdict: authenticator.Malformed, Reason: authenticator.ReasonEarlyData}
}

// ServiceWorker denies a request for the script of a service worker, which could read the
// passwords that users type on the site's sign-in page (S-09).
func ServiceWorker() policy.Decision {
	denied := policy.Denied(authenticator.ReasonPolicyDenied, codeServiceWorker)
	denied.Status = http.StatusForbidden
	return denied
}

// HiddenMethod denies a preflight with a _method parameter in its path, which an application
// sees if it decodes the path again.
func HiddenMethod() authenticator.Outcome {
	return authenticator.Outcome{
		Verdict: authenticator.Malformed, Reason: authenticator.ReasonPathAmbiguous, Details: []authenticator.Detail{{Name: "parameter", Value: request.MethodParameter}},
	}
}

// Misdirected denies a request over a connection whose TLS handshake was for another host:
// its certificate was asked for and verified by the rules of that host (T-64).
func Misdirected(r *request.Request) authenticator.Outcome {
	return authenticator.Outcome{
		Verdict: authenticator.Malformed, Reason: authenticator.ReasonMisdirected, Details: []authenticator.Detail{{Name: "sni", Value: r.TLS().SNI}},
	}
}

// Unjudgeable returns the outcome of a request that is denied to every caller because its
// upgrade or its path is not acceptable, and whether it is such a request.
func Unjudgeable(r *request.Request) (authenticator.Outcome, bool) {
	if r.UpgradeRefused() {
		return authenticator.Outcome{Verdict: authenticator.Malformed, Reason: authenticator.ReasonUpgradeRefused}, true
	}
	if flag := r.RejectedFlag(); flag != "" {
		return authenticator.Outcome{
			Verdict: authenticator.Malformed, Reason: authenticator.ReasonPathAmbiguous,
			Details: []authenticator.Detail{{Name: "path_flag", Value: string(flag)}},
		}, true
	}
	return authenticator.Outcome{}, false
}
