package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

// errNoUserinfo says that the endpoint does not answer for this user or this
// client: the ID token speaks alone.
var errNoUserinfo = errors.New("the userinfo endpoint does not say who the user is")

// askUserinfo asks the userinfo endpoint.
func (p *Provider) askUserinfo(ctx context.Context, m *metadata, accessToken string) (map[string]any, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.userinfo, nil)
	if err != nil {
		return nil, fail(http.StatusBadGateway, identity.ReasonCredentialsInvalid, plain(err))
	}
	r.Header.Set("Authorization", "Bearer "+accessToken)
	r.Header.Set("Accept", "application/json, application/jwt")
	answer, err := p.config.Client.Do(r)
	if err != nil {
		return nil, unavailable(0, fmt.Errorf("the userinfo endpoint: %w", plain(err)))
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return nil, unavailable(0, fmt.Errorf("the userinfo endpoint: %w", plain(err)))
	case answer.StatusCode >= http.StatusInternalServerError:
		return nil, unavailable(0, fmt.Errorf("the userinfo endpoint answered %d", answer.StatusCode))
	case answer.StatusCode == http.StatusForbidden, answer.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%w: it answered %d", errNoUserinfo, answer.StatusCode)
	case answer.StatusCode != http.StatusOK:
		return nil, fail(http.StatusBadGateway, identity.ReasonCredentialsInvalid, fmt.Errorf("the userinfo endpoint answered %d", answer.StatusCode))
	}
	media, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	claims, err := m.verifier.ParseUserinfo(body, media == "application/jwt")
	if err != nil {
		return nil, refused("the userinfo answer", err)
	}
	return claims, nil
}
