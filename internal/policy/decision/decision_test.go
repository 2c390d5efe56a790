package decision

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/test/vectors"
)

// decodeText decodes a decision that is written as a Rego term.
func decodeTerm(t testing.TB, term string) Decision {
	t.Helper()
	parsed, err := ast.ParseTerm(term)
	if err != nil {
		t.Fatal(err)
	}
	return decode(parsed.Value)
}

// TestDecode: only a true allow allows (T-01, T-02, R-403-6).
func TestDecode(t *testing.T) {
	tests := []struct {
		term   string
		allow  bool
		reason authenticator.Reason
	}{
		{`true`, true, ""},
		{`false`, false, authenticator.ReasonPolicyDenied},
		{`null`, false, authenticator.ReasonPolicyUndefined},
		{`1`, false, authenticator.ReasonPolicyUndefined},
		{`"true"`, false, authenticator.ReasonPolicyUndefined},
		{`[true]`, false, authenticator.ReasonPolicyUndefined},
		{`{true}`, false, authenticator.ReasonPolicyUndefined},
		{`set()`, false, authenticator.ReasonPolicyUndefined},
		{`{}`, false, authenticator.ReasonPolicyUndefined},
		{`{"reasons": []}`, false, authenticator.ReasonPolicyUndefined},
		{`{"allow": true}`, true, ""},
		{`{"allowed": true}`, true, ""},
		{`{"allow": true, "allowed": true}`, true, ""},
		{`{"allow": true, "allowed": false}`, false, authenticator.ReasonPolicyError},
		{`{"allow": false}`, false, authenticator.ReasonPolicyDenied},
		{`{"allow": "true"}`, false, authenticator.ReasonPolicyError},
		{`{"allow": 1}`, false, authenticator.ReasonPolicyError},
		{`{"allow": null}`, false, authenticator.ReasonPolicyError},
		{`{"allow": [true]}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "deyn": ["x"]}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, 1: 2}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "deny": []}`, true, ""},
		{`{"allow": true, "deny": set()}`, true, ""},
		{`{"allow": true, "deny": ["no"]}`, false, authenticator.ReasonPolicyDenied},
		{`{"allow": true, "deny": {"no"}}`, false, authenticator.ReasonPolicyDenied},
		{`{"allow": true, "deny": [{"code": "late", "message": "Too late."}]}`, false, authenticator.ReasonPolicyDenied},
		{`{"allow": true, "deny": [{}]}`, false, authenticator.ReasonPolicyDenied},
		{`{"allow": true, "deny": [1]}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "deny": [{"cod": "x"}]}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "deny": "no"}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "deny": false}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "deny": {"no": true}}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "query_parameters_to_set": []}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "headers": {"X-A": "b"}}`, true, ""},
		{`{"allow": true, "headers": {"X-A": ["b", "c"]}}`, true, ""},
		{`{"allow": true, "headers": {"X-A": 1}}`, false, authenticator.ReasonPolicyError},
		// T-29
		{`{"allow": true, "headers": {"X-A": "b\r\nX-B: c"}}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "headers": {"X-A": "b\u0000"}}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "headers": {"X A": "b"}}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "headers": {":path": "/"}}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "headers": {"Host": "h"}}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "headers": {"content-length": "1"}}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "headers": {"Transfer-Encoding": "x"}}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "headers": []}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "request_headers_to_remove": ["Cookie"]}`, true, ""},
		{`{"allow": true, "request_headers_to_remove": ["a b"]}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "response_headers_to_add": {"X-A": "b"}}`, true, ""},
		{`{"allow": true, "response_headers_to_add": {"Connection": "b"}}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "log": {"labels": {"rule": "x"}}}`, true, ""},
		{`{"allow": true, "log": {"labels": {"rule": 1}}}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "log": {"lables": {}}}`, false, authenticator.ReasonPolicyError},
		{`{"allow": true, "message": 1}`, false, authenticator.ReasonPolicyError},
		{`{"allow": false, "status": 401}`, false, authenticator.ReasonPolicyDenied},
		{`{"allow": false, "http_status": 451}`, false, authenticator.ReasonPolicyDenied},
		{`{"allow": false, "status": 401, "http_status": 403}`, false, authenticator.ReasonPolicyError},
		{`{"allow": false, "challenge": {"scope": "a b", "acr_values": ["c"], "max_age": 1}}`, false, authenticator.ReasonPolicyDenied},
		{`{"allow": false, "challenge": {"scop": "a"}}`, false, authenticator.ReasonPolicyError},
		{`{"allow": false, "challenge": {"max_age": -1}}`, false, authenticator.ReasonPolicyError},
		{`{"allow": false, "challenge": {"max_age": "1"}}`, false, authenticator.ReasonPolicyError},
		{`{"allow": false, "redirect": {"to": "/x"}}`, false, authenticator.ReasonPolicyDenied},
		{`{"allow": false, "redirect": {"to": "/x", "status": 200}}`, false, authenticator.ReasonPolicyError},
		{`{"allow": false, "redirect": {}}`, false, authenticator.ReasonPolicyError},
		{`{"allow": false, "body": "x"}`, false, authenticator.ReasonPolicyDenied},
		{`{"allow": false, "body": {}}`, false, authenticator.ReasonPolicyError},
	}
	for _, test := range tests {
		t.Run(test.term, func(t *testing.T) {
			d := decodeTerm(t, test.term)
			if d.Allow != test.allow || d.Reason != test.reason {
				t.Errorf("allow %v, reason %q, err %v", d.Allow, d.Reason, d.Err)
			}
			if d.Reason == authenticator.ReasonPolicyError && d.Err == nil {
				t.Error("nobody is told what went wrong")
			}
		})
	}
}

// TestDecodeStatus: T-02, a status outside of 400 to 599 is an error.
func TestDecodeStatus(t *testing.T) {
	for _, status := range []string{"0", "-1", "100", "199", "200", "301", "399", "600", "999", "1e9", "403.5", `"403"`, "null", "1e400"} {
		if d := decodeTerm(t, `{"allow": false, "status": `+status+`}`); d.Reason != authenticator.ReasonPolicyError {
			t.Errorf("%s: %+v", status, d)
		}
	}
}

// TestDecodeFields holds what each field becomes.
func TestDecodeFields(t *testing.T) {
	d := decodeTerm(t, `{"allow": false, "status": 429, "reasons": ["late", "Bad Code"], "deny": ["closed", "Come back tomorrow."],
		"remediation": "Ask.", "headers": {"retry-after": "5"}, "body": "b", "log": {"labels": {"rule": "r"}},
		"challenge": {"scope": "a b", "max_age": 60}, "redirect": {"to": "/x?y=z", "status": 307}}`)
	if d.Status != 429 || strings.Join(d.Codes, " ") != "closed late" || d.Message != "Come back tomorrow." || d.Remediation != "Ask." ||
		d.Headers.Get("Retry-After") != "5" || *d.Body != "b" || d.Labels["rule"] != "r" || d.Redirect.To != "/x?y=z" || d.Redirect.Status != 307 {
		t.Errorf("got %+v", d)
	}
	if strings.Join(d.Challenge.Scopes, " ") != "a b" || d.Challenge.MaxAge != 60 || d.Challenge.ACRValues != nil {
		t.Errorf("got %+v", d.Challenge)
	}
	if d.Err == nil {
		t.Error("the dropped code is not noted")
	}
	if d := decodeTerm(t, `{"allow": false, "challenge": {}}`); d.Challenge.MaxAge != -1 {
		t.Errorf("got %+v", d.Challenge)
	}
	long := strings.Repeat("x", maxText+1)
	if d := decodeTerm(t, `{"allow": false, "message": "`+long+`"}`); d.Reason != authenticator.ReasonPolicyError {
		t.Error("a long message passes")
	}
}

// TestSameOrigin: no line of the open-redirect lists leads off the site (T-40).
func TestSameOrigin(t *testing.T) {
	for to, want := range map[string]bool{
		"/": true, "/a/b?c=d#e": true, "/%2f%2fevil": true,
		"": false, "//evil.example": false, `/\evil.example`: false, `\/evil.example`: false, "https://evil.example": false, "https:evil": false,
		"evil": false, "/\tevil": false, "/ evil": false, "/a\r\nLocation: x": false, "javascript:alert(1)": false, "/é": false,
	} {
		if got := sameOrigin(to); got != want {
			t.Errorf("%q: %v", to, got)
		}
	}
	for _, line := range vectors.Lines(t, "payloadsallthethings", "open-redirect") {
		if !sameOrigin(line) {
			continue
		}
		if len(line) > 1 && (line[1] == '/' || line[1] == '\\') {
			t.Errorf("%q passes", line)
		}
	}
}

// FuzzDecode: whatever a policy answers, decoding it does not panic, and it
// allows only if it says allow (T-66).
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`true`, `{"allow": true}`, `{"allow": true, "deny": [{"code": "x"}]}`, `{"allow": false, "redirect": {"to": "/"}}`, `{1: 2}`, `{{1}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, term string) {
		parsed, err := ast.ParseTerm(term)
		if err != nil || parsed == nil || !parsed.IsGround() {
			return
		}
		if d := decode(parsed.Value); d.Allow && !strings.Contains(term, "true") {
			t.Errorf("%s allows", term)
		}
	})
}
