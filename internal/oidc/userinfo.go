package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// errNoUserinfo is the error of a userinfo endpoint that rejects this user or
// client. The identity then has only the claims of the ID token.
var errNoUserinfo = errors.New("the userinfo endpoint does not say who the user is")

// fetchUserinfo sends a request to the userinfo endpoint.
func (p *Provider) fetchUserinfo(ctx context.Context, m *metadata, accessToken string) (map[string]any, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.userinfo, nil)
	if err != nil {
		return nil, newFailure(http.StatusBadGateway, authenticator.ReasonCredentialsInvalid, redactError(err))
	}
	r.Header.Set("Authorization", "Bearer "+accessToken)
	r.Header.Set("Accept", "application/json, application/jwt")
	answer, err := p.config.Client.Do(r)
	if err != nil {
		return nil, unavailable(0, fmt.Errorf("the userinfo endpoint: %w", redactError(err)))
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return nil, unavailable(0, fmt.Errorf("the userinfo endpoint: %w", redactError(err)))
	case answer.StatusCode >= http.StatusInternalServerError, answer.StatusCode == http.StatusTooManyRequests:
		return nil, unavailable(retryAfter(answer.Header), fmt.Errorf("the userinfo endpoint answered %d", answer.StatusCode))
	case answer.StatusCode == http.StatusForbidden, answer.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%w: it answered %d", errNoUserinfo, answer.StatusCode)
	case answer.StatusCode == http.StatusUnauthorized: // the access token is invalid
		return nil, newFailure(http.StatusBadGateway, authenticator.ReasonCredentialsInvalid, fmt.Errorf("the userinfo endpoint answered 401; %s", userinfoOffHint))
	case answer.StatusCode != http.StatusOK:
		return nil, inconclusive(fmt.Errorf("the userinfo endpoint answered %d; %s", answer.StatusCode, userinfoOffHint))
	}
	media, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if media == "application/jwt" {
		claims, err := m.verifier.ParseUserinfo(body, true)
		if err != nil {
			return nil, tokenFailure("the userinfo answer", err)
		}
		return claims, nil
	}
	claims, err := m.verifier.ParseUserinfo(body, false)
	if err != nil { // such as a maintenance page
		return nil, inconclusive(fmt.Errorf("the userinfo answer (%s): %w", printable(answer.Header.Get("Content-Type")), err))
	}
	return claims, nil
}

// userinfoOffHint is the advice for a userinfo endpoint that rejects the client's
// access tokens.
const userinfoOffHint = "if it is not for the access tokens of this client, write userinfo off in login oidc"

// retryAfter returns the Retry-After of a response, at most a minute, or 0.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, 60)) * time.Second
}
