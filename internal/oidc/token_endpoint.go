package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// tokenResponse is a successful response of the token endpoint (RFC 6749, section
// 5.1; OpenID Connect Core, section 3.1.3.3).
type tokenResponse struct {
	access, refresh, id string
	expiresIn           int64 // in seconds; 0 if unknown
}

// endpointError is an error response of an endpoint. It contains no secret that was
// sent.
type endpointError struct {
	endpoint    string // for instance "token endpoint"
	status      int
	code        string // RFC 6749, section 5.2; printable
	description string // error_description; printable, without secrets
}

// Error implements error.
func (e *endpointError) Error() string {
	text := fmt.Sprintf("the %s answered %d", e.endpoint, e.status)
	if e.code != "" {
		text += " " + e.code
	}
	if e.description != "" {
		text += ": " + e.description
	}
	return text
}

// hasCode reports whether an error is an endpoint's response with an error code.
func hasCode(err error, code string) bool {
	var answer *endpointError
	return errors.As(err, &answer) && answer.code == code
}

// requestTokens sends a form to the token endpoint.
func (p *Provider) requestTokens(ctx context.Context, m *metadata, form url.Values) (*tokenResponse, error) {
	answer, err := p.postForm(ctx, m, "token endpoint", m.token, form)
	if err != nil {
		return nil, err
	}
	t := &tokenResponse{}
	t.access, _ = answer["access_token"].(string)
	t.refresh, _ = answer["refresh_token"].(string)
	t.id, _ = answer["id_token"].(string)
	t.expiresIn = parseSeconds(answer["expires_in"])
	if t.access == "" && p.usesUserinfo(m) {
		return nil, errors.New("the token endpoint gave no access token, with which userinfo is asked; if it gives none, write userinfo off in login oidc")
	}
	return t, nil
}

// parseSeconds parses a number, which some providers send as a string.
func parseSeconds(value any) int64 {
	number, ok := value.(json.Number)
	if text, isText := value.(string); isText {
		number, ok = json.Number(text), true
	}
	seconds, err := number.Float64()
	if !ok || err != nil || seconds < 0 || seconds > 1<<40 {
		return 0
	}
	return int64(seconds)
}

// postForm sends a form with client authentication and returns the JSON object of
// the response, whatever its Content-Type, because some providers send text/plain.
// It does not follow redirects, since the form contains secrets.
func (p *Provider) postForm(ctx context.Context, m *metadata, name, endpoint string, form url.Values) (map[string]any, error) {
	r, err := p.newRequest(m, endpoint, form)
	if err != nil {
		return nil, err
	}
	client := *p.config.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("the %s: %w", name, err)
	}
	answer := parseObject(body)
	code, isText := answer["error"].(string) // some send "" without an error
	if ok := response.StatusCode/100 == 2; !ok || code != "" || answer["error"] != nil && !isText {
		words, _ := answer["error_description"].(string)
		return nil, &endpointError{name, response.StatusCode, printable(code), printable(p.redactSecrets(words, form))}
	}
	if answer == nil {
		return nil, fmt.Errorf("the %s answered %d with something else than a JSON object (%s)", name, response.StatusCode, printable(response.Header.Get("Content-Type")))
	}
	return answer, nil
}

// parseObject parses the JSON object of a response, with numbers as json.Number. It
// returns nil for anything else.
func parseObject(body []byte) (object map[string]any) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if decoder.Decode(&object) != nil {
		return nil
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil // trailing data
	}
	return object
}

// redactSecrets removes the secrets that were sent from a provider's text, so that
// they are not logged.
func (p *Provider) redactSecrets(words string, form url.Values) string {
	secrets := []string{p.config.ClientSecret}
	for _, name := range []string{"code", "code_verifier", "refresh_token", "client_secret", "client_assertion"} {
		secrets = append(secrets, form.Get(name))
	}
	for _, secret := range secrets {
		if secret != "" {
			words = strings.ReplaceAll(words, secret, "[redacted]")
		}
	}
	return words
}
