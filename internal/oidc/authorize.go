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

// StepUp holds the requirements of a sign-in (OpenID Connect Core, section
// 3.1.2.1). The zero value requires a new sign-in (max_age=0); use NoStepUp for
// none.
type StepUp struct {
	// ACRValues are authentication context classes, one of which is required. Empty
	// requires none.
	ACRValues []string `json:"acr_values,omitempty"`
	// MaxAge is the maximum age of the sign-in in seconds, or negative for any age.
	MaxAge int64 `json:"max_age"`
	// Interactive allows the provider to show pages to the user although prompt is
	// none.
	Interactive bool `json:"interactive,omitempty"`
}

// NoStepUp requires nothing of a sign-in.
var NoStepUp = StepUp{MaxAge: -1}

// AuthRequest is an unfinished sign-in. It contains secrets: keep it on the server,
// for one use and for as long as a sign-in may take.
type AuthRequest struct {
	StepUp
	// Issuer is the issuer that was asked. Responses of other issuers are rejected
	// (RFC 9207).
	Issuer string `json:"issuer"`
	// RedirectURI is the redirect_uri of the request.
	RedirectURI string `json:"redirect_uri"`
	// Nonce must be in the ID token.
	Nonce string `json:"nonce"`
	// Verifier is the PKCE code verifier (RFC 7636).
	Verifier string `json:"verifier"`
	// Endpoints is a digest of the endpoints in the metadata when the sign-in began.
	// The code is only sent to these.
	Endpoints string `json:"endpoints"`
}

// Authorize starts a sign-in. It returns the URL to redirect the browser to and the
// request to pass to Exchange. State must be an unguessable value that the caller
// binds to the browser. Authorize sends no request to the provider but for its
// metadata; call PushAuthorization next. An error is a *Failure.
func (p *Provider) Authorize(ctx context.Context, state, redirectURI string, stepUp StepUp) (to string, pending AuthRequest, err error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return "", AuthRequest{}, err
	}
	pending = AuthRequest{
		StepUp: stepUp, Issuer: p.config.Issuer, RedirectURI: redirectURI,
		Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Endpoints: m.digest(),
	}
	return withQuery(m.authorization, p.parameters(state, pending)), pending, nil
}

// parameters returns the parameters of the authorization request (OpenID Connect
// Core, section 3.1.2.1; RFC 7636, section 4.3).
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

// withQuery adds parameters to an endpoint's URL, which may have a query.
func withQuery(endpoint string, parameters url.Values) string {
	separator := "?"
	if strings.Contains(endpoint, "?") {
		separator = "&"
	}
	return endpoint + separator + parameters.Encode()
}

// prompt returns the parameter prompt.
func (p *Provider) prompt(stepUp StepUp) string {
	if stepUp.Interactive && p.isSilent() {
		return ""
	}
	return strings.Join(p.config.Prompt, " ")
}

// isSilent reports whether prompt is none.
func (p *Provider) isSilent() bool {
	return len(p.config.Prompt) == 1 && p.config.Prompt[0] == "none"
}

// authorizationCode returns the code of an authorization response after all checks
// that need no request. Pending is the request that belongs to the response's
// state.
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

// checkIssuer rejects responses of another issuer (RFC 9207, section 2.4; RFC 9700,
// section 4.4).
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

// providerError returns the error of an authorization response, for the log.
func providerError(answer url.Values) error {
	err := fmt.Errorf("the provider answered %s", printable(answer.Get("error")))
	if words := answer.Get("error_description"); words != "" {
		err = fmt.Errorf("%w: %s", err, printable(words))
	}
	return err
}

// errorResponse returns the Failure of an error response (RFC 6749, section
// 4.1.2.1; OpenID Connect Core, section 3.1.2.6). The log gets its text. The page
// does not, because anyone can write a response.
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
	return newFailure(http.StatusForbidden, authenticator.ReasonProviderDenied, err) // most often access_denied
}
