package token

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

var introspectedAt = time.Unix(1_800_000_000, 0)

// newIntrospection returns the checks of a site for tests.
func newIntrospection(t testing.TB, change func(*Config)) *Introspection {
	t.Helper()
	config := Config{Audiences: []string{"api"}, Now: func() time.Time { return introspectedAt }}
	if change != nil {
		change(&config)
	}
	i, err := NewIntrospection(config, "https://id.example.com/introspect")
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// TestIntrospection: the members of a response are checked like the claims of a JWT.
//
// R-INT-2, R-INT-5
func TestIntrospection(t *testing.T) {
	issued := func(c *Config) { c.Issuer = "https://id.example.com" }
	for name, test := range map[string]struct {
		members string // beside active, sub and aud
		change  func(*Config)
		want    string // the reason, "" if it is accepted
	}{
		"nothing more":            {``, nil, ""},
		"all":                     {`"exp":1800000001,"nbf":1799999999,"iat":1799999000,"iss":"https://id.example.com","token_type":"bearer","client_id":"app","username":"alice"`, issued, ""},
		"another audience":        {`"aud":"other"`, nil, "token_audience"},
		"no audience":             {`"aud":null`, nil, "token_audience"},
		"any audience":            {`"aud":null`, func(c *Config) { c.Audiences, c.AnyAudience = nil, true }, ""},
		"an audience of a list":   {`"aud":["other","api"]`, nil, ""},
		"a foreign audience":      {`"aud":{"api":true}`, nil, "token_malformed"},
		"a list with a number":    {`"aud":["api",1]`, nil, "token_malformed"},
		"another issuer":          {`"iss":"https://other.example.com"`, issued, "token_issuer"},
		"no issuer":               {``, issued, ""},
		"a foreign issuer":        {`"iss":{"a":1}`, nil, "token_malformed"},
		"expired":                 {`"exp":1799999940`, nil, "token_expired"},
		"expired within leeway":   {`"exp":1799999941`, nil, ""},
		"exp as a text":           {`"exp":"1900000000"`, nil, "token_malformed"},
		"exp is null":             {`"exp":null`, nil, ""},
		"not yet":                 {`"nbf":1800000061`, nil, "token_not_yet_valid"},
		"not yet, within leeway":  {`"nbf":1800000060`, nil, ""},
		"issued later":            {`"iat":1800000061`, nil, "token_not_yet_valid"},
		"another type":            {`"token_type":"mac"`, nil, "token_type"},
		"a refresh token by type": {`"token_type":"refresh_token"`, nil, "token_type"},
		"an empty type":           {`"token_type":""`, nil, "token_type"},
		"a foreign type":          {`"token_type":["Bearer"]`, nil, "token_malformed"},
		"a DPoP token":            {`"token_type":"DPoP","cnf":{"jkt":"` + keyThumbprint + `"}`, nil, ""},
		"a DPoP token, no key":    {`"token_type":"DPoP"`, nil, "token_unbound"},
		"DPoP, a certificate":     {`"token_type":"DPoP","cnf":{"x5t#S256":"` + certificateThumbprint + `"}`, nil, "token_unbound"},
		"bound":                   {`"cnf":{"jkt":"x"}`, nil, "token_unbound"},
		"bound to nothing":        {`"cnf":{}`, nil, "token_unbound"},
		"bound in a foreign form": {`"cnf":"x"`, nil, "token_unbound"},
		"a refresh token":         {`"typ":"Refresh"`, nil, "token_type"},
		"an offline token":        {`"typ":"Offline"`, nil, "token_type"},
		"a refresh token's use":   {`"token_use":"refresh_token"`, nil, "token_type"},
		"an ID token":             {`"typ":"ID"`, nil, "token_type"},
		"an ID token by claims":   {`"at_hash":"x"`, nil, "token_type"},
		"a security event token":  {`"events":{}`, nil, "token_type"},
		"a bearer token":          {`"typ":"Bearer","token_type":"Bearer","nonce":"x","token_use":"access_token"`, nil, ""},
		"no subject":              {`"sub":null`, nil, "token_malformed"},
		"an empty subject":        {`"sub":""`, nil, "token_malformed"},
		"a foreign subject":       {`"sub":7`, nil, "token_malformed"},
		"no subject, username":    {`"sub":null,"username":"alice"`, nil, "token_malformed"},
		"no subject, client":      {`"sub":null,"client_id":"app"`, func(c *Config) { c.Map = map[string][]string{"id": {"sub", "client_id"}} }, ""},
		"foreign roles":           {`"roles":{"a":1}`, nil, ""},
		"foreign mapped roles":    {`"roles":{"a":1}`, func(c *Config) { c.Map = map[string][]string{"roles": {"roles"}} }, "token_malformed"},
		"required":                {`"team":"red"`, func(c *Config) { c.Require = []Requirement{{"team", []string{"red"}}} }, ""},
		"not as required":         {`"team":"blue"`, func(c *Config) { c.Require = []Requirement{{"team", []string{"red"}}} }, "credentials_invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			members := []string{`"active":true`}
			for _, member := range []string{`"sub":"user-1"`, `"aud":"api"`} {
				if head, _, _ := strings.Cut(member, ":"); !strings.Contains(test.members, head+":") {
					members = append(members, member)
				}
			}
			if test.members != "" {
				members = append(members, test.members)
			}
			got, err := newIntrospection(t, test.change).Token([]byte("{" + strings.Join(members, ",") + "}"))
			id := got.Identity
			refusal, _ := errors.AsType[*Error](err)
			switch {
			case test.want == "" && (err != nil || !id.Authenticated || id.Method != "introspection"):
				t.Errorf("%+v, %v", id, err)
			case test.want != "" && (refusal == nil || string(refusal.Reason) != test.want || id != nil):
				t.Errorf("%+v, %v, want %s", id, err, test.want)
			}
		})
	}
}

// TestIntrospectedIdentity: which identity a response gives.
//
// R-AT-5
func TestIntrospectedIdentity(t *testing.T) {
	got, err := newIntrospection(t, nil).Token([]byte(`{"active":true,"sub":"user-1","aud":"api","username":"alice","scope":"read write","client_id":"app","exp":1800000100,"auth_time":1799999999,"acr":"phr"}`))
	if err != nil {
		t.Fatal(err)
	}
	id := got.Identity
	text := fmt.Sprint(id.ID, id.Username, id.Scopes, id.Issuer, id.ExpiresAt, id.AuthTime, id.ACR, id.Kind, id.Claims["client_id"])
	if want := "user-1alice[read write]https://id.example.com/introspect1800000100 1799999999phruserapp"; text != want {
		t.Errorf("%s, want %s", text, want)
	}
	for response, want := range map[string]string{
		`{"active":true,"sub":"app","client_id":"app","aud":"api","iss":"https://a.example.com"}`: "client https://a.example.com",
		`{"active":true,"sub":"user-1","email":"a@example.com","client_id":"app","aud":"api"}`:    "user https://id.example.com/introspect",
	} {
		got, err := newIntrospection(t, nil).Token([]byte(response))
		if err != nil || string(got.Identity.Kind)+" "+got.Identity.Issuer != want {
			t.Errorf("%s: %+v, %v", response, got, err)
		}
	}
	got, err = newIntrospection(t, func(c *Config) { c.Issuer = "https://id.example.com" }).Token([]byte(`{"active":true,"sub":"user-1","aud":"api"}`))
	if err != nil || got.Identity.Issuer != "https://id.example.com" {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzIntrospection: no response makes a caller known unless it is a JSON object whose
// active is true, with a subject.
//
// R-INT-2
func FuzzIntrospection(f *testing.F) {
	for _, seed := range []string{
		`{"active":true,"sub":"a","aud":"api"}`, `{"active":false}`, `{"active":"true","sub":"a","aud":["api"]}`, `[]`, `{}`, ``,
		`{"active":true,"sub":"a","aud":"api","cnf":{},"exp":1e400,"groups":[{}],"amr":[1]}`, `{"active":true,"active":false}`,
	} {
		f.Add([]byte(seed))
	}
	i := newIntrospection(f, nil)
	f.Fuzz(func(t *testing.T, response []byte) {
		got, err := i.Token(response)
		id := got.Identity
		if (id == nil) == (err == nil) {
			t.Fatalf("%+v, %v", id, err)
		}
		if id == nil {
			return
		}
		claims, err := decodeObject(response)
		if err != nil || claims["active"] != true || claims["sub"] != id.ID || id.ID == "" || id.Method != "introspection" || got.Confirmation.Bound() != id.Bound || (claims["cnf"] == nil) != (id.Bound == "none") {
			t.Errorf("%q: %+v", response, id)
		}
		if _, err := id.Checked(); err != nil || id.Kind == authenticator.KindAnonymous {
			t.Errorf("%q: %v", response, err)
		}
	})
}
