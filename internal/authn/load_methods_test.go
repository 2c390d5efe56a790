package authn

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/login"
)

// TestShadowed: a method that would never be asked does not load.
func TestShadowed(t *testing.T) {
	basic := Method{Name: "basic", Authenticator: new(Basic)}
	password := Method{Name: "api_key", Authenticator: &APIKey{From: "basic_password", sources: basicSources}}
	header := Method{Name: "api_key", Authenticator: &APIKey{sources: []authenticator.Source{authenticator.FromHeader("X-API-Key")}}}
	for name, test := range map[string]struct {
		methods []Method
		err     string
	}{
		"basic last":  {[]Method{password, header, basic}, ""},
		"basic first": {[]Method{basic, header}, ""},
		"a key after": {[]Method{basic, password}, "write api_key first"},
		"basic twice": {[]Method{basic, header, basic}, "basic is set twice"},
	} {
		if err := shadowed(test.methods); (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, want %q", name, err, test.err)
		}
	}
}

// TestSessionStands: session stands beside a login of the site, and once.
func TestSessionStands(t *testing.T) {
	session, site := Method{Name: "session", Authenticator: new(Session)}, &login.Target{Site: new(login.Site)}
	for name, test := range map[string]struct {
		methods []Method
		target  *login.Target
		err     string
	}{
		"beside a login":        {[]Method{session}, site, ""},
		"without a login":       {[]Method{session}, nil, "no login makes one"},
		"beside another's page": {[]Method{session}, new(login.Target), "no login makes one"},
		"twice":                 {[]Method{session, session}, site, "session is set twice"},
	} {
		if _, _, err := withSession(caddy.Context{}, test.methods, test.target); (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, want %q", name, err, test.err)
		}
	}
}

// TestCheckLogins: which logins can stand beside each other.
func TestCheckLogins(t *testing.T) {
	for logins, want := range map[string]string{
		`[{"method": "form"}, {"method": "oidc"}, {"method": "oidc", "name": "work"}]`: "",
		`[{"method": "url"}]`:                                      "",
		`[{"method": "url"}, {"method": "form"}]`:                  "stands alone",
		`[{"method": "form"}, {"method": "form"}]`:                 "set twice",
		`[{"method": "oidc"}, {"method": "oidc"}]`:                 "another login called oidc",
		`[{"method": "form"}, {"method": "oidc", "name": "form"}]`: "another login called form",
	} {
		var raw []json.RawMessage
		if err := json.Unmarshal([]byte(logins), &raw); err != nil {
			t.Fatal(err)
		}
		if err := CheckLogins(raw); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", logins, err, want)
		}
	}
}

// TestThrottleLimits: which limits of failures can be configured.
func TestThrottleLimits(t *testing.T) {
	for limit, valid := range map[*Throttle]bool{
		nil: true, {Failures: 1, Window: 1}: true, {Failures: maxFailures, Window: 1}: true,
		{Failures: 0, Window: 1}: false, {Failures: maxFailures + 1, Window: 1}: false, {Failures: 1}: false, {Failures: 1, Window: -1}: false,
	} {
		if err := limit.check(); (err == nil) != valid {
			t.Errorf("%+v: %v", limit, err)
		}
	}
}

// TestWholeHeaders: a header with a form of its own is not a credential as a whole.
func TestWholeHeaders(t *testing.T) {
	for name, valid := range map[string]bool{"X-API-Key": true, "authorization": false, "Cookie": false, "Proxy-Authorization": false, "Host": false, "a b": false} {
		key := &APIKey{Keys: []string{"keys.yaml"}, From: "header", Header: name}
		if err := key.check(); (err == nil) != valid {
			t.Errorf("api_key, %s: %v", name, err)
		}
		if _, err := (&TokenPlace{From: "header", Name: name}).source(); (err == nil) != valid {
			t.Errorf("jwt, %s: %v", name, err)
		}
	}
}
