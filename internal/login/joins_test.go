package login

import (
	"net/url"
	"testing"
)

// A tab that waited goes on to its page once another tab has signed the browser in; a
// step-up is not skipped, and a browser that is not signed in does not go on.
func TestN24S31Joins(t *testing.T) {
	p := newProvided(t, nil)
	waited := p.URL("/tab/2", "", url.Values{"wait": {"1"}})
	if answer := p.visit("GET", waited, nil); answer.Header().Get("Location") == "/tab/2" {
		t.Fatal("the browser is not signed in")
	}
	p.signIn("/tab/1")
	for range maxRecentSignIns + 1 {
		if answer := p.visit("GET", waited, nil); answer.Code != 303 || answer.Header().Get("Location") != "/tab/2" {
			t.Errorf("%d %v", answer.Code, answer.Header())
		}
	}
	if answer := p.visit("GET", p.URL("/tab/2", "", url.Values{"wait": {"1"}, "acr_values": {"phr"}}), nil); answer.Header().Get("Location") == "/tab/2" {
		t.Error("the step-up is skipped")
	}
	if answer := p.visit("GET", p.URL("/tab/2", "", nil), nil); answer.Header().Get("Location") == "/tab/2" {
		t.Error("signing in again is skipped")
	}
}
