package policyauth

import (
	"slices"
	"strings"
	"testing"
)

// TestBearerHint: the log says what a credential lacks that is sent in the wrong way.
func TestBearerHint(t *testing.T) {
	h, logs := newEnv(t).site(jwtSite + "access DIR/access.yaml\n")
	for sent, want := range map[string]string{
		canary: "need Bearer and a space", "Bearer " + canary: "say from bearer there", "Bearer a.b.c": "",
	} {
		logs.TakeAll()
		if _, err := ask(h, get("/", "Authorization", sent), new(reached)); err != nil {
			t.Fatal(err)
		}
		hint, _ := logs.FilterMessage("request refused").All()[0].ContextMap()["hint"].(string)
		if !strings.Contains(hint, want) || want == "" && hint != "" {
			t.Errorf("%q: the log hints at %q", sent, hint)
		}
	}
}

// TestN53Unread: where a request has a credential that no method reads, the log
// names it, the problem document says where it stands, and neither shows it.
func TestN53Unread(t *testing.T) {
	h, logs := newEnv(t).site(jwtSite + "access DIR/access.yaml\n")
	tests := []struct {
		name, target string
		header       []string
		logged       string
		told         string
	}{
		{"a password", "/", []string{"Authorization", basicOf("alice")}, "Authorization Basic", `"unread_credentials":["authorization"]`},
		{"a key", "/", []string{"X-Api-Key", canary}, "X-Api-Key", `"unread_credentials":["header"]`},
		{"a token without a scheme", "/", []string{"Authorization", canary}, "Authorization without a scheme", `"unread_credentials":["authorization"]`},
		{"a parameter", "/?access_token=" + canary, nil, "?access_token", `"unread_credentials":["query"]`},
		{"none", "/", nil, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			logs.TakeAll()
			recorder, err := ask(h, get(test.target, append(test.header, "Accept", "application/json")...), new(reached))
			if err != nil || recorder.Code != 401 {
				t.Fatal(recorder.Code, err)
			}
			lines := logs.FilterMessage("request refused").All()
			if len(lines) != 1 {
				t.Fatalf("%d lines", len(lines))
			}
			fields := lines[0].ContextMap()
			got, _ := fields["unread_credential"].(string)
			hint, _ := fields["hint"].(string)
			if got != test.logged || (test.logged != "") != strings.Contains(hint, "no method of this site reads") {
				t.Errorf("logged %q, %q", got, hint)
			}
			if body := recorder.Body.String(); !strings.Contains(body, test.told) || test.told == "" && strings.Contains(body, "unread") || strings.Contains(body, canary) {
				t.Error(body)
			}
			for _, value := range fields {
				if text, ok := value.(string); ok && slices.ContainsFunc(strings.Fields(text), func(word string) bool { return strings.Contains(word, canary) }) {
					t.Errorf("the log holds the credential: %v", fields)
				}
			}
		})
	}
}
