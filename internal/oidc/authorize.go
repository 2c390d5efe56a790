package oidc

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/oauth2"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// StepUp is what a sign-in has to be like (OpenID Connect Core, section 3.1.2.1).
// The zero value is for one that began long ago or just now; use NoStepUp.
type StepUp struct {
	// ACRValues are levels of which the user must reach one. Empty for any.
	ACRValues []string `json:"acr_values,omitempty"`
	// MaxAge is how many seconds ago the user may have signed in at most.
	// Negative for any time.
	MaxAge int64 `json:"max_age"`
	// Interactive lets the provider talk to the user, whatever prompt says.
	Interactive bool `json:"interactive,omitempty"`
}

// NoStepUp demands nothing of a sign-in.
var NoStepUp = StepUp{MaxAge: -1}

// AuthRequest is a sign-in under way. It holds secrets: it is kept by the server,
// for as long as one sign-in may take and for one use.
type AuthRequest struct {
	StepUp
	// Issuer is who was asked: nobody else's answer counts (RFC 9207).
	Issuer string `json:"issuer"`
	// RedirectURI is where the answer goes, exactly as it was sent.
	RedirectURI string `json:"redirect_uri"`
	// Nonce comes back in the ID token.
	Nonce string `json:"nonce"`
	// Verifier is the code verifier of PKCE (RFC 7636).
	Verifier string `json:"verifier"`
	// Endpoints name those of the metadata that the sign-in began with: the code is
	// for them.
	Endpoints string `json:"endpoints"`
}

// Authorize begins a sign-in: it returns where to send the browser, and what is
// needed to end it. State comes back with the browser; it ties the two ends
// together and must not be guessable. Nothing is sent to the provider but for its
// metadata; Push does that where it is needed. An error is a *Failure.
func (p *Provider) Authorize(ctx context.Context, state, redirectURI string, demand StepUp) (to string, pending AuthRequest, err error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return "", AuthRequest{}, err
	}
	pending = AuthRequest{
		StepUp: demand, Issuer: p.config.Issuer, RedirectURI: redirectURI,
		Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Endpoints: m.digest(),
	}
	return withQuery(m.authorization, p.parameters(state, pending)), pending, nil
}

// parameters returns what the provider is asked (OpenID Connect Core, section
// 3.1.2.1; RFC 7636, section 4.3).
func (p *Provider) parameters(state string, pending AuthRequest) url.Values {
	asked := url.Values{}
	for name, values := range p.config.Parameters {
		asked[name] = slices.Clone(values)
	}
	maps.Copy(asked, url.Values{
		"response_type": {"code"}, "client_id": {p.config.ClientID}, "redirect_uri": {pending.RedirectURI},
		"scope": {strings.Join(p.config.Scopes, " ")}, "state": {state}, "nonce": {pending.Nonce},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(pending.Verifier)}, "code_challenge_method": {"S256"},
	})
	if prompt := p.prompt(pending.StepUp); prompt != "" {
		asked.Set("prompt", prompt)
	}
	if len(pending.ACRValues) > 0 {
		asked.Set("acr_values", strings.Join(pending.ACRValues, " "))
	}
	if pending.MaxAge >= 0 {
		asked.Set("max_age", strconv.FormatInt(pending.MaxAge, 10))
	}
	return asked
}

// withQuery returns an endpoint's URL with parameters beside those that it has.
func withQuery(endpoint string, parameters url.Values) string {
	separator := "?"
	if strings.Contains(endpoint, "?") {
		separator = "&"
	}
	return endpoint + separator + parameters.Encode()
}

// prompt returns what the provider is to ask the user.
func (p *Provider) prompt(demand StepUp) string {
	if demand.Interactive && p.isSilent() {
		return ""
	}
	return strings.Join(p.config.Prompt, " ")
}

// isSilent reports whether the provider is asked not to talk to the user.
func (p *Provider) isSilent() bool {
	return len(p.config.Prompt) == 1 && p.config.Prompt[0] == "none"
}

// authorizationCode returns the code of an answer, after everything that must hold before it
// may go anywhere. The state has been looked up already: pending is what
// belongs to it.
func (p *Provider) authorizationCode(m *metadata, answer url.Values, pending AuthRequest) (string, error) {
	if err := p.checkIssuer(m, answer, pending); err != nil {
		return "", err
	}
	if _, failed := answer["error"]; failed {
		return "", p.errorResponse(answer, pending)
	}
	code := answer.Get("code")
	if code == "" || len(answer["code"]) > 1 {
		return "", newFailure(http.StatusBadRequest, authenticator.ReasonLoginStateInvalid, fmt.Errorf("the answer has %d codes", len(answer["code"])))
	}
	return code, nil
}

// checkIssuer refuses an answer from anybody but who was asked, by a simple
// comparison (RFC 9207, section 2.4; RFC 9700, section 4.4).
func (p *Provider) checkIssuer(m *metadata, answer url.Values, pending AuthRequest) error {
	issuers, sent := answer["iss"]
	var err error
	switch {
	case pending.Issuer != p.config.Issuer:
		err = fmt.Errorf("the sign-in began at %s", printable(pending.Issuer))
	case sent && (len(issuers) != 1 || issuers[0] != pending.Issuer):
		err = fmt.Errorf("the answer is of another issuer: %s", printable(strings.Join(issuers, " ")))
	case !sent && m.sendsIss:
		err = fmt.Errorf("the answer does not say of which issuer it is, although %s always does", pending.Issuer)
	default:
		return nil
	}
	if answer.Has("error") {
		err = fmt.Errorf("%w; %w", err, providerError(answer))
	}
	return newFailure(http.StatusBadRequest, authenticator.ReasonTokenIssuer, err)
}

// providerError returns what an answer says of an error, for the log.
func providerError(answer url.Values) error {
	err := fmt.Errorf("the provider answered %s", printable(answer.Get("error")))
	if words := answer.Get("error_description"); words != "" {
		err = fmt.Errorf("%w: %s", err, printable(words))
	}
	return err
}

// errorResponse turns an error that the provider answered with into a failure
// (RFC 6749, section 4.1.2.1; OpenID Connect Core, section 3.1.2.6). The log gets
// what the provider says of it; the page does not, since a stranger can write it.
func (p *Provider) errorResponse(answer url.Values, pending AuthRequest) error {
	err := providerError(answer)
	switch answer.Get("error") {
	case "server_error":
		return newFailure(http.StatusBadGateway, authenticator.ReasonProviderDenied, err)
	case "temporarily_unavailable":
		return unavailable(0, err)
	case "login_required", "interaction_required", "consent_required", "account_selection_required":
		failure := newFailure(http.StatusForbidden, authenticator.ReasonProviderDenied, err)
		failure.NeedsInteraction = p.isSilent() && !pending.Interactive
		return failure
	case "unmet_authentication_requirements":
		return newFailure(http.StatusForbidden, authenticator.ReasonStepUpRequired, err)
	}
	return newFailure(http.StatusForbidden, authenticator.ReasonProviderDenied, err) // access_denied above all
}
