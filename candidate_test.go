package policyauth

import (
	"strings"
	"testing"
	"time"
)

// TestN57Candidate: the log and what is kept for explain name the subject of a token
// that its issuer has signed and that is refused for another reason; of a forged one
// they name no subject. No answer names it.
func TestN57Candidate(t *testing.T) {
	w := newEnv(t)
	bearer := func(claims map[string]any) string { return "Bearer " + jwtOf(t, claims) }
	past := time.Now().Add(-time.Hour).Unix()
	forged := func(raw string) string { return raw[:len(raw)-6] + "AAAAAA" }
	site := jwtSite + "access DIR/access.yaml\n"
	tests := []struct {
		name, block, header, value string
		reason, candidate          string
	}{
		{"N-57 expired", site, "Authorization", bearer(map[string]any{"exp": past}), "token_expired", "svc"},
		{"N-57 of another audience", site, "Authorization", bearer(map[string]any{"aud": "other"}), "token_audience", "svc"},
		{"N-57 not yet valid", site, "Authorization", bearer(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}), "token_not_yet_valid", "svc"},
		{"N-57 bound", site, "Authorization", bearer(map[string]any{"cnf": map[string]any{"jkt": "x"}}), "token_unbound", "svc"},
		{"N-57 a claim that is required", strings.Replace(site, "audience", "require hd x\naudience", 1), "Authorization", bearer(nil), "credentials_invalid", "svc"},
		{"N-57 expired, in a cookie", strings.Replace(site, "audience", "from cookie t\naudience", 1), "Cookie", "t=" + jwtOf(t, map[string]any{"exp": past}), "credentials_missing", "svc"},
		{"N-57 forged", site, "Authorization", forged(bearer(nil)), "token_signature", ""},
		{"N-57 forged and expired", site, "Authorization", forged(bearer(map[string]any{"exp": past})), "token_expired", ""},
		{"N-57 forged and of another audience", site, "Authorization", forged(bearer(map[string]any{"aud": "other"})), "token_audience", ""},
		{"N-57 of another issuer", site, "Authorization", bearer(map[string]any{"iss": "https://other.example"}), "token_issuer", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, logs := w.site(test.block)
			answer, err := ask(h, get("/x", test.header, test.value, "Accept", "application/json"), new(reached))
			if err != nil || answer.Code != 401 || strings.Contains(answer.Body.String(), "svc") {
				t.Fatalf("%d %s %v", answer.Code, answer.Body, err)
			}
			lines := logs.FilterMessage("request refused").All()
			if len(lines) != 1 {
				t.Fatalf("%d lines", len(lines))
			}
			fields := lines[0].ContextMap()
			if got, _ := fields["candidate"].(string); got != test.candidate || fields["reason"] != test.reason {
				t.Errorf("the log says %v", fields)
			}
			id, _ := fields["request_id"].(string)
			refusal, _ := kept(t, id)
			if got, _ := refusal["candidate"].(string); got != test.candidate {
				t.Errorf("explain has %q", got)
			}
		})
	}
}
