package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// maxRequestURI is the maximum length of a request_uri, in bytes. It is part of a
// URL.
const maxRequestURI = 2 << 10

// PushAuthorization sends the parameters of a sign-in to a provider that requires
// pushed authorization requests (RFC 9126), and returns the URL to redirect the
// browser to. For other providers it returns to, the URL that Authorize returned.
// An error is a *Failure.
func (p *Provider) PushAuthorization(ctx context.Context, to, state string, pending AuthRequest) (string, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return "", err
	}
	if !m.requirePAR {
		return to, nil
	}
	parameters := p.parameters(state, pending)
	answer, err := p.postForm(ctx, m, "endpoint of pushed requests", m.parEndpoint, parameters)
	if err == nil {
		name, _ := answer["request_uri"].(string)
		if name != "" && len(name) <= maxRequestURI {
			return withQuery(m.authorization, url.Values{"client_id": {p.config.ClientID}, "request_uri": {name}}), nil
		}
		err = errors.New("the endpoint of pushed requests gave no request_uri")
	}
	if isTransient(err) {
		return "", unavailable(0, redactError(err))
	}
	return "", newFailure(http.StatusBadGateway, authenticator.ReasonCredentialsInvalid, redactError(err))
}
