package pages

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/pages/challengetest"
	"github.com/policyauth/caddy-policy-auth/test/vectors"
)

// document returns the problem document of a refusal.
func document(t testing.TB, p *Pages, d Denial) (map[string]any, http.Header) {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(bodyOf(t, p, d, "Accept", asJSON)), &members); err != nil {
		t.Fatal(err)
	}
	return members, ask(t, p, d, "Accept", asJSON).Header
}

// TestProblem: R-PAGE-7, R-PAGE-8, R-PAGE-9.
func TestProblem(t *testing.T) {
	plain := refuse(401, "credentials_missing")
	stepUp := refuse(401, "step_up_required")
	stepUp.MaxAge, stepUp.ACRValues = 300, []string{"phr", "mfa"}
	stepUp.Challenges = []authenticator.Challenge{challenge("Bearer", "realm", "a", "error", "insufficient_user_authentication", "acr_values", "phr mfa", "max_age", "300")}
	scope := refuse(403, "insufficient_scope")
	scope.Scopes = []string{"read", "write"}
	scope.Challenges = []authenticator.Challenge{challenge("Basic", "realm", "a"), challenge("Bearer", "error", "insufficient_scope", "error_description", `more "scope"`, "scope", "read write")}
	policy := refuse(451, "policy_denied")
	policy.Message, policy.Remediation, policy.Codes = "Not in your country.", "Travel.", []string{"geo", "law"}
	nameless := refuse(499, "policy_denied")
	nameless.RequestID = ""
	tests := []struct {
		name string
		d    Denial
		want map[string]any
	}{
		{"plain", plain, map[string]any{
			"type": "about:blank", "title": "Unauthorized", "status": 401.0, "detail": "This page is only for people who have signed in.",
			"instance": "urn:uuid:" + requestID, "class": "sign_in_needed", "request_id": requestID,
		}},
		{"step-up", stepUp, map[string]any{
			"type": "about:blank", "title": "Unauthorized", "status": 401.0, "detail": "This page needs a more recent or a stronger sign-in than the one you have.",
			"instance": "urn:uuid:" + requestID, "class": "step_up", "request_id": requestID,
			"error": "insufficient_user_authentication", "acr_values": "phr mfa", "max_age": 300.0,
		}},
		{"scope", scope, map[string]any{
			"type": "about:blank", "title": "Forbidden", "status": 403.0, "detail": "You may not open this page.",
			"instance": "urn:uuid:" + requestID, "class": "forbidden", "request_id": requestID,
			"error": "insufficient_scope", "error_description": "more 'scope'", "scope": "read write",
		}},
		{"a policy's words", policy, map[string]any{
			"type": "about:blank", "title": "Unavailable For Legal Reasons", "status": 451.0, "detail": "Not in your country.",
			"instance": "urn:uuid:" + requestID, "class": "forbidden", "request_id": requestID,
			"remediation": "Travel.", "codes": []any{"geo", "law"},
		}},
		{"a status without a name", nameless, map[string]any{
			"type": "about:blank", "title": "No access", "status": 499.0, "detail": "You may not open this page.", "class": "forbidden",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, _ := document(t, open(t, Config{}), test.d)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestProblemAgrees: R-PAGE-9: header and body never contradict each other, also
// where a value cannot be sent as it is.
func TestProblemAgrees(t *testing.T) {
	for name, scopes := range map[string][]string{
		"plain": {"a", "b"}, "quotes": {`a"b`, `c\d`}, "not ASCII": {"é", "a"}, "long": strings.Fields(strings.Repeat("scope ", 500)), "line breaks": {"a\r\nb"},
	} {
		t.Run(name, func(t *testing.T) {
			d := refuse(403, "insufficient_scope")
			d.Scopes = scopes
			d.Challenges = []authenticator.Challenge{challenge("Bearer", "realm", "a", "error", "insufficient_scope", "scope", strings.Join(scopes, " "))}
			members, h := document(t, open(t, Config{}), d)
			challenges, err := challengetest.Read(h)
			if err != nil || len(challenges) != 1 {
				t.Fatal(challenges, err)
			}
			for _, name := range []string{"error", "scope"} {
				if members[name] != challenges[0].Params[name] {
					t.Errorf("%s: header %q, body %q", name, challenges[0].Params[name], members[name])
				}
			}
		})
	}
}

// TestProblemSchema: R-PAGE-7: each member that the schema of RFC 9457 names is of
// its type, for each reason; names of extensions are of section 3.2's form.
func TestProblemSchema(t *testing.T) {
	content, err := os.ReadFile(vectors.Path(t, "rfc9457-schema", "problem.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]struct {
			Type, Format     string
			Minimum, Maximum float64
		}
	}
	if err := json.Unmarshal(content, &schema); err != nil || len(schema.Properties) != 5 {
		t.Fatal(len(schema.Properties), err)
	}
	p := open(t, Config{})
	extension := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{2,}$`)
	for _, reason := range reasons(t) {
		for _, status := range []int{400, 401, 403, 404, 429, 451, 500, 503} {
			members, h := document(t, p, refuse(status, reason))
			if members["status"] != float64(status) || h.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d: status %v as %s", status, members["status"], h.Get("Content-Type"))
			}
			if members["type"] == "about:blank" && members["title"] != http.StatusText(status) {
				t.Errorf("title %q", members["title"])
			}
			for name, value := range members {
				property, known := schema.Properties[name]
				if !known && !extension.MatchString(name) {
					t.Errorf("%s: no name of an extension", name)
				}
				text, isText := value.(string)
				number, isNumber := value.(float64)
				switch property.Type {
				case "string":
					if _, err := url.Parse(text); !isText || property.Format == "uri-reference" && err != nil {
						t.Errorf("%s: %v", name, value)
					}
				case "integer":
					if !isNumber || number < property.Minimum || number > property.Maximum {
						t.Errorf("%s: %v", name, value)
					}
				}
			}
		}
	}
}

// TestLine: R-PAGE-5: one line, whatever a policy's message holds (R-LOG-2).
func TestLine(t *testing.T) {
	p := open(t, Config{})
	tests := []struct{ name, message, want string }{
		{"ours", "", "You may not open this page."},
		{"a policy's", "Ask Carol.", "Ask Carol."},
		{"line breaks", "a\r\nb\vc\u2028d\u2029e\u0085f\x1b[31m", "a  b c d e f [31m"},
		{"markup", "<script>alert(1)</script>", "<script>alert(1)</script>"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := refuse(403, "policy_denied")
			d.Message = test.message
			if got, want := bodyOf(t, p, d, "Accept", asText), "403 Forbidden: "+test.want+" ("+requestID+")\n"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	d := refuse(403, "policy_denied")
	d.RequestID = ""
	if got := bodyOf(t, p, d, "Accept", asText); got != "403 Forbidden: You may not open this page.\n" {
		t.Errorf("got %q", got)
	}
}

// TestCodesBound: at most sixteen of a policy's codes are shown.
func TestCodesBound(t *testing.T) {
	d := refuse(403, "policy_denied")
	d.Codes = strings.Fields(strings.Repeat("code ", 10_000))
	members, _ := document(t, open(t, Config{}), d)
	if got := members["codes"].([]any); len(got) != maxCodes {
		t.Errorf("%d codes", len(got))
	}
}

// problem is a problem document as encoding/json writes it.
type problem struct {
	Type             string   `json:"type"`
	Title            string   `json:"title"`
	Status           int      `json:"status"`
	Detail           string   `json:"detail"`
	Instance         string   `json:"instance,omitempty"`
	Class            Class    `json:"class"`
	RequestID        string   `json:"request_id,omitempty"`
	Codes            []string `json:"codes,omitempty"`
	Remediation      string   `json:"remediation,omitempty"`
	LoginURL         string   `json:"login_url,omitempty"`
	Unread           []string `json:"unread_credentials,omitempty"`
	Error            string   `json:"error,omitempty"`
	ErrorDescription string   `json:"error_description,omitempty"`
	Scope            string   `json:"scope,omitempty"`
	ACRValues        string   `json:"acr_values,omitempty"`
	MaxAge           *int64   `json:"max_age,omitempty"`
}

// encoded returns the document of a refusal by encoding/json.
func encoded(t *testing.T, d Denial, class Class, say sentence) string {
	t.Helper()
	p := problem{
		Type: "about:blank", Title: statusText(d.Status, say), Status: d.Status, Detail: firstNonEmpty(d.Message, say.Summary),
		Class: class, RequestID: d.RequestID, Codes: d.Codes, Remediation: d.Remediation, LoginURL: d.LoginURL, Unread: d.Unread,
		Error: challengeParam(d, "error"), ErrorDescription: challengeParam(d, "error_description"),
	}
	p.Scope, _ = cleanParam("scope", firstNonEmpty(strings.Join(d.Scopes, " "), challengeParam(d, "scope")))
	p.ACRValues, _ = cleanParam("acr_values", strings.Join(d.ACRValues, " "))
	if d.RequestID != "" {
		p.Instance = "urn:uuid:" + d.RequestID
	}
	if d.MaxAge >= 0 {
		p.MaxAge = &d.MaxAge
	}
	document, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(escapeActionsJSON(document)) + "\n"
}

// FuzzProblem: a problem document is what encoding/json makes of it, whatever the texts
// are.
func FuzzProblem(f *testing.F) {
	for _, text := range hostile {
		f.Add(text, text, int64(-1))
		f.Add("scope", text, int64(300))
	}
	f.Fuzz(func(t *testing.T, one, other string, age int64) {
		plain := refuse(403, "policy_denied")
		plain.MaxAge = age
		for i, text := range []string{one, other, one + other} {
			d := plain
			d.Message, d.Remediation, d.Codes, d.Unread = text, other, []string{text, one}[:i], []string{one, text, other}[:i]
			d.LoginURL, d.RequestID, d.Scopes, d.ACRValues = other, text, []string{one, other}[:i], []string{text}[:i/2]
			d.Challenges = []authenticator.Challenge{challenge("Bearer", "error", one, "error_description", other, "scope", text)}
			say := sentence{Title: other, Summary: one}
			if diff := cmp.Diff(encoded(t, d, Class(text), say), string(appendProblem(nil, d, Class(text), say))); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
