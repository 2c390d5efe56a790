package authn

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// max_auth_age reaches the sessions, and is off by default (R-SES-4).
func TestSessionMaxAuthAge(t *testing.T) {
	for text, want := range map[string]time.Duration{`{}`: 0, `{"max_auth_age": "8h"}`: 8 * time.Hour, `{"max_auth_age": "1m"}`: time.Minute} {
		var s Session
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		sessions, err := s.Bind(nil, false)
		if err != nil || s.check() != nil || sessions.MaxAuthAge() != want {
			t.Errorf("%s: %v, %v", text, err, s.check())
		}
	}
	for _, text := range []string{`{"max_auth_age": "59s"}`, `{"max_auth_age": "-8h"}`} {
		var s Session
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		if err := s.check(); err == nil || !strings.Contains(err.Error(), "session: max_auth_age is") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
