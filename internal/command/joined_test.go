package command

import (
	"errors"
	"testing"
)

// TestJoined: a word with a comma does not look like two.
func TestJoined(t *testing.T) {
	for want, words := range map[string][]string{"": nil, "a,b": {"a", "b"}, `"a,b"`: {"a,b"}, `"a\"b",c`: {`a"b`, "c"}} {
		if got := joined(words); got != want {
			t.Errorf("%q is %s, want %s", words, got, want)
		}
	}
}

// TestAdminAnswer: an answer of the admin API is shown as its text.
func TestAdminAnswer(t *testing.T) {
	for text, want := range map[string]string{
		"caddy responded with error: HTTP 409: {\"error\":\"which policies?\"}\n": "which policies?",
		"caddy responded with error: HTTP 500: {\"oops\"":                         "",
		"caddy responded with error: HTTP 404: not found":                         "",
		"dial tcp: {\"error\":\"x\"}":                                             "",
	} {
		if got, ok := saidBy(errors.New(text)); got != want || ok != (want != "") {
			t.Errorf("%q: %q", text, got)
		}
	}
}
