package decisionlog

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestRefusalBounded: the texts of a denied request are cut, at the end of a character.
func TestRefusalBounded(t *testing.T) {
	long := strings.Repeat("é", maxText)
	facts := []authenticator.Detail{{Name: "got", Value: long}}
	got := Refusal{ID: "short", Path: long, Candidate: long, Facts: facts}.Bounded()
	want := strings.Repeat("é", maxText/2) + "…"
	if got.ID != "short" || got.Path != want || got.Candidate != want || got.Facts[0].Value != want {
		t.Errorf("got %+v", got)
	}
	if facts[0].Value != long {
		t.Error("the caller's details have changed")
	}
	if complete := got.Complete(); complete.Details["got"] != want || complete.Input != nil {
		t.Errorf("got %+v", complete)
	}
}

// TestRefusalShown: the input of a denied request is shown without texts that look like
// credentials; one that was not kept is an error.
func TestRefusalShown(t *testing.T) {
	r := httptest.NewRequest("GET", "/a?b=c", nil)
	r.Header.Set("X-Vault-Token", "canary")
	shown := Refusal{Record: NewRecord(inputOf(r))}.Complete().Shown()
	if text := string(shown.Input); !strings.Contains(text, `"path":"/a"`) || strings.Contains(text, "canary") || shown.Cut {
		t.Errorf("got %s", text)
	}
	if _, err := (Refusal{}).Decoded(); err == nil || !strings.Contains(err.Error(), "was not kept") {
		t.Error(err)
	}
	if shown := (Refusal{Input: []byte("{")}).Shown(); shown.Input != nil {
		t.Errorf("got %s", shown.Input)
	}
}
