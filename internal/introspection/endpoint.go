package introspection

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/textutil"
)

// maxAnswer is the maximum size of an answer, in bytes.
const maxAnswer = 64 << 10

// endpointFailure is the error of an answer that does not say whether a token is active.
type endpointFailure struct {
	problem string
	ofToken bool // it may be due to the token
}

// Error implements error.
func (e *endpointFailure) Error() string { return "the introspection endpoint " + e.problem }

// request returns the request about a token (RFC 7662, section 2.1). The token is in the
// body alone.
func (c *Client) request(raw string) (*http.Request, error) {
	form := url.Values{"token": {raw}, "token_type_hint": {"access_token"}}
	r, err := c.config.Auth.NewRequest(c.config.URL, form, c.now())
	if err != nil {
		return nil, err
	}
	r.Header["Idempotency-Key"] = []string{} // not sent: it lets net/http repeat the request on a connection that has just been closed
	return r, nil
}

// exchange sends a request and returns the body of the answer. It follows no redirect,
// since the request contains secrets.
func (c *Client) exchange(r *http.Request) ([]byte, error) {
	client := *c.config.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.Do(r)
	if err != nil {
		if network, ok := errors.AsType[*url.Error](err); ok {
			err = network.Err // its URL is in the log anyway
		}
		return nil, fmt.Errorf("the introspection endpoint cannot be reached: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the introspection endpoint broke off its answer: %w", err)
	case answer.StatusCode != http.StatusOK:
		return nil, statusFailure(answer, body)
	case len(body) > maxAnswer:
		return nil, &endpointFailure{"sent more than 64 KiB", true}
	}
	return body, checkType(answer.Header.Get("Content-Type"))
}

// statusFailure returns the error of a status other than 200. An answer of 401 or 403 is
// about this server and not about the caller's token (section 2.3).
func statusFailure(answer *http.Response, body []byte) error {
	code := errorCode(body)
	problem := fmt.Sprintf("answered %d", answer.StatusCode)
	if code != "" {
		problem += " " + printable(code)
	}
	switch status := answer.StatusCode; {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, code == "invalid_client", code == "unauthorized_client":
		return &endpointFailure{problem + ": it does not accept this server as a client: check client_id, client_secret or client_key, client_auth_method, and that the client may introspect tokens", false}
	case status/100 == 3:
		return &endpointFailure{problem + ", a redirect, which is not followed: write the URL that it leads to", false}
	case status == http.StatusBadRequest, status == http.StatusInternalServerError:
		return &endpointFailure{problem, true}
	}
	return &endpointFailure{problem, false}
}

// errorCode returns the error code of an answer (RFC 6749, section 5.2), or "".
func errorCode(body []byte) string {
	var answer struct {
		Error any `json:"error"`
	}
	_ = json.Unmarshal(body, &answer)
	code, _ := answer.Error.(string)
	return code
}

// checkType returns an error unless an answer is JSON. Signed answers are not accepted,
// since none were asked for (RFC 9701, section 4).
func checkType(contentType string) error {
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err == nil && media == "application/json":
		return nil
	case strings.HasSuffix(media, "+jwt"), media == "application/jwt":
		return &endpointFailure{"sent a signed answer (" + printable(media) + ", RFC 9701), which is not supported: configure the client there for answers in plain JSON", false}
	}
	return &endpointFailure{fmt.Sprintf("sent %q instead of application/json: is the URL that of an introspection endpoint (RFC 7662)?", printable(contentType)), false}
}

// maxPrintable is the maximum length of text of the endpoint in an error, in bytes.
const maxPrintable = 100

// printable escapes untrusted text for a log line and shortens it.
func printable(text string) string { return textutil.Printable(text, maxPrintable) }
