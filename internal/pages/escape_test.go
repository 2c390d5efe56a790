package pages

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestEscapeActions: T-48. No form of a refusal holds an action of a template, whatever
// a stranger or a policy's text says; a problem document still says it.
func TestEscapeActions(t *testing.T) {
	pages, err := New(Config{}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer pages.Close()
	for _, text := range []string{"{{env `SECRET`}}", "{{{env `SECRET`}}}", "{{{{", "a{{b"} {
		for _, accept := range []string{"text/html", "text/plain", "application/json"} {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Accept", accept)
			recorder := httptest.NewRecorder()
			err := pages.Write(recorder, r, Denial{
				Status: 403, Reason: authenticator.ReasonPolicyDenied, MaxAge: -1, Message: text, Remediation: text, Codes: []string{text},
				Identity: &authenticator.Identity{Authenticated: true, ID: text, Username: text, Name: text},
			})
			body := recorder.Body.String()
			if err != nil || recorder.Code != 403 || strings.Contains(body, "{{") {
				t.Errorf("%s, %s: %s %v", text, accept, body, err)
			}
			if accept != "application/json" {
				continue
			}
			var document struct{ Detail, Remediation string }
			if err := json.Unmarshal([]byte(body), &document); err != nil || document.Detail != text || document.Remediation != text {
				t.Errorf("%s: %s %v", text, body, err)
			}
		}
	}
}
