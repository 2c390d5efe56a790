package token

import (
	"strings"
	"testing"
	"time"
)

func TestNewErrors(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Config)
		want   []string // parts of the error: the bad word and the allowed ones
	}{
		"no keys":              {func(c *Config) { c.Keys = nil }, []string{"keys: missing"}},
		"keys without use":     {func(c *Config) { c.Keys = &KeySet{} }, []string{"keys: they fit no algorithm"}},
		"no audience":          {func(c *Config) { c.Audiences = nil }, []string{"audience: missing", "any"}},
		"empty audience":       {func(c *Config) { c.Audiences = []string{"a", ""} }, []string{"audience: empty"}},
		"any and named":        {func(c *Config) { c.AnyAudience = true }, []string{"audience: any"}},
		"no algorithm":         {func(c *Config) { c.Algorithms = []string{} }, []string{"algorithms: empty", "allowed: ES256"}},
		"misspelt algorithm":   {func(c *Config) { c.Algorithms = []string{"ES265"} }, []string{`"ES265"`, "allowed: ES256"}},
		"algorithm in lower":   {func(c *Config) { c.Algorithms = []string{"es256"} }, []string{`"es256"`, "allowed: ES256"}},
		"none":                 {func(c *Config) { c.Algorithms = []string{"none"} }, []string{`"none"`, "allowed: ES256"}},
		"no key fits":          {func(c *Config) { c.Algorithms = []string{"ES256", "RS256"} }, []string{"no key fits RS256", "allowed: ES256"}},
		"mixed":                {func(c *Config) { c.Algorithms = []string{"ES256", "HS256"} }, []string{"do not mix", "HS256"}},
		"secret for a key":     {func(c *Config) { c.Algorithms = []string{"HS256"} }, []string{"no key fits HS256", "allowed: ES256"}},
		"negative leeway":      {func(c *Config) { c.Leeway = -1 }, []string{"leeway: -1ns", "5m0s"}},
		"long leeway":          {func(c *Config) { c.Leeway = 301 * time.Second }, []string{"leeway: 5m1s", "5m0s"}},
		"negative age":         {func(c *Config) { c.MaxAge = -1 }, []string{"max_token_age"}},
		"type with parameters": {func(c *Config) { c.Type = "at+jwt; q=1" }, []string{`"at+jwt; q=1"`, "such as at+jwt"}},
		"type with a space":    {func(c *Config) { c.Type = "at jwt" }, []string{`"at jwt"`}},
		"unknown field":        {func(c *Config) { c.Map = map[string][]string{"role": {"x"}} }, []string{`map: "role"`, "email groups id name roles scopes username"}},
		"field of the claims":  {func(c *Config) { c.Map = map[string][]string{"kind": {"x"}} }, []string{`map: "kind"`}},
		"no source":            {func(c *Config) { c.Map = map[string][]string{"roles": {}} }, []string{"map roles: no source"}},
		"bad source":           {func(c *Config) { c.Map = map[string][]string{"roles": {"a", "b..c"}} }, []string{"map roles", `"b..c"`, "realm_access.roles"}},
		"bad requirement":      {func(c *Config) { c.Require = []Requirement{{Claim: "/~x", Values: []string{"a"}}} }, []string{"require", `"/~x"`}},
		"empty requirement":    {func(c *Config) { c.Require = []Requirement{{Claim: "hd"}} }, []string{"require hd: no value"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t, "ES256")
			test.change(&c)
			v, err := New(c)
			if err == nil || v != nil {
				t.Fatalf("New: %v, want an error", err)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error %q does not hold %q", err, part)
				}
			}
		})
	}
}

// R-JWT-1: without algorithms those of the keys hold; a secret is for HS256.
func TestNewDefaultAlgorithms(t *testing.T) {
	c := testConfig(t, "HS512")
	c.Algorithms = nil
	if v := newVerifier(t, c); len(v.algorithms) != 1 || v.algorithms[0] != "HS256" {
		t.Errorf("a secret allows %v, want HS256", v.algorithms)
	}
	for _, name := range newVerifier(t, testConfig(t, "RS256")).algorithms {
		if symmetric(name) {
			t.Errorf("a public key allows %s", name)
		}
	}
}

// R-JWT-17: a minute unless configured, five at most.
func TestNewLeeway(t *testing.T) {
	for configured, want := range map[time.Duration]time.Duration{
		0: time.Minute, time.Nanosecond: time.Nanosecond, 300 * time.Second: 300 * time.Second,
	} {
		c := testConfig(t, "HS256")
		c.Leeway = configured
		if got := newVerifier(t, c).leeway; got != want {
			t.Errorf("leeway %s is %s, want %s", configured, got, want)
		}
	}
}

// A verifier does not change with the lists that it was made of.
func TestNewCopies(t *testing.T) {
	c := testConfig(t, "HS256")
	c.Require = []Requirement{{Claim: "sub", Values: []string{"alice"}}}
	v := newVerifier(t, c)
	c.Audiences[0], c.Algorithms[0], c.Require[0].Values[0] = "x", "none", "x"
	wantReason(t, v, token("HS256", nil), "")
}

// The clock is the system's unless another is given.
func TestNewClock(t *testing.T) {
	c := testConfig(t, "HS256")
	c.Now = nil
	now := time.Now().Unix()
	wantReason(t, newVerifier(t, c), token("HS256", map[string]any{"iat": now, "exp": now + 60}), "")
}
