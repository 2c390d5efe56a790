package forward

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// Check returns an error if a policy sets or removes a header that it may not change: an
// identity header or a header of the connection.
func (h *IdentityHeaders) Check(set http.Header, removed []string) error {
	for name := range set {
		if err := h.check(name); err != nil {
			return err
		}
	}
	for _, name := range removed {
		if err := h.check(name); err != nil {
			return err
		}
	}
	return nil
}

func (h *IdentityHeaders) check(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if h.Reserved(name) {
		return fmt.Errorf("header %s is an identity header and not the policy's to change", name)
	}
	return nil
}

// setPolicyHeaders applies the changes of an allowing policy, after Check. A header that it
// sets replaces all spellings of the name.
func setPolicyHeaders(r *http.Request, set http.Header, removed []string, shared *exchange.Shared) {
	for _, name := range removed {
		removeHeaders(r.Header, request.FoldHeaderName(name))
	}
	for name, lines := range set {
		folded := request.FoldHeaderName(name)
		removeHeaders(r.Header, folded)
		unlistConnection(r.Header, folded)
		r.Header[http.CanonicalHeaderKey(name)] = slices.Clone(lines)
		shared.AddPolicyHeader(folded)
	}
}

// Check verifies that the changes of an allowing decision can be made. It returns the
// reason to deny the request instead, or "".
func (f *Forwarder) Check(ex *exchange.Exchange, decision *policy.Decision) (authenticator.Reason, error) {
	if ex.Request.HidesParameter(decision.QueryToRemove) || ex.Request.HidesParameter(slices.Collect(maps.Keys(decision.QueryToSet))) {
		return authenticator.ReasonPathAmbiguous, nil
	}
	if err := f.IdentityHeaders.Check(decision.Headers, decision.RequestHeadersToRemove); err != nil {
		return authenticator.ReasonPolicyError, err
	}
	return "", nil
}
