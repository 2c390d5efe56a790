package token

import (
	"fmt"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

// defaultMap says where the fields of an identity come from.
var defaultMap = map[string][]string{
	"id":       {"sub"},
	"username": {"preferred_username", "username"},
	"name":     {"name"},
	"email":    {"email"},
	"roles":    {"roles"},
	"groups":   {"groups"},
	"scopes":   {"scope", "scp"},
}

// identify makes an identity of verified claims. A claim of the wrong type
// refuses the token, as does the lack of an id.
func (v *Verifier) identify(claims object) (*identity.Identity, error) {
	m := &mapping{claims: claims, sources: v.sources}
	id := &identity.Identity{
		Authenticated: true,
		Kind:          kindOf(claims),
		ID:            m.text("id"),
		Username:      m.text("username"),
		Name:          m.text("name"),
		Issuer:        m.claim("iss"),
		Method:        "jwt",
		Roles:         m.list("roles"),
		Groups:        m.list("groups"),
		Scopes:        m.scopes(),
		Email:         m.text("email"),
		Claims:        claims,
		ACR:           m.claim("acr"),
		AMR:           m.amr(),
		AuthTime:      m.seconds("auth_time"),
		ExpiresAt:     m.seconds("exp"),
	}
	if v.maxAge > 0 {
		id.ExpiresAt = min(id.ExpiresAt, m.seconds("iat")+int64(v.maxAge.Seconds()))
	}
	if m.err != nil {
		return nil, malformed("the payload %v", m.err)
	}
	if id.ID == "" {
		return nil, malformed("the payload has no id of the caller: there is nothing at %s", names(v.sources["id"]))
	}
	return id.Normalize(), nil
}

// mapping reads claims into fields and keeps the first error.
type mapping struct {
	claims  object
	sources map[string][]identity.Path
	err     error
}

// fail keeps err unless it is nil or a later one.
func (m *mapping) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

// find returns the value of the first source of field that exists.
func (m *mapping) find(field string) (value any, from string, found bool) {
	for _, s := range m.sources[field] {
		if value, found := s.Lookup(map[string]any(m.claims)); found {
			return value, s.String(), true
		}
	}
	return nil, "", false
}

// text returns a field that is a string.
func (m *mapping) text(field string) string {
	value, from, found := m.find(field)
	if !found {
		return ""
	}
	text, ok := value.(string)
	if !ok {
		m.fail(fmt.Errorf("has at %s, for the field %s, something that is not a string", from, field))
	}
	return text
}

// list returns a field that is a list of strings, or one string.
func (m *mapping) list(field string) []string {
	value, from, found := m.find(field)
	if !found {
		return nil
	}
	if text, ok := value.(string); ok {
		return []string{text}
	}
	list, ok := stringsOf(value)
	if !ok {
		m.fail(fmt.Errorf("has at %s, for the field %s, something that is neither a string nor a list of strings", from, field))
	}
	return list
}

// scopes returns the field of that name. One string is a list with spaces
// between its items (RFC 8693, section 4.2).
func (m *mapping) scopes() []string {
	value, _, _ := m.find("scopes")
	if text, ok := value.(string); ok {
		return splitScope(text)
	}
	return m.list("scopes")
}

// claim returns a claim that is a string.
func (m *mapping) claim(name string) string {
	text, _, err := m.claims.text(name)
	m.fail(err)
	return text
}

// amr returns the methods by which the caller signed in (RFC 8176, section 1).
func (m *mapping) amr() []string {
	list, _, err := m.claims.texts("amr")
	m.fail(err)
	return list
}

// seconds returns a NumericDate in whole seconds since 1970, or 0.
func (m *mapping) seconds(name string) int64 {
	at, present, err := m.claims.time(name)
	m.fail(err)
	if !present {
		return 0
	}
	return at.Unix()
}

// splitScope splits a scope at its spaces (RFC 6749, section 3.3).
func splitScope(scope string) []string {
	return strings.FieldsFunc(scope, func(r rune) bool { return r == ' ' })
}

// names lists sources as they were written.
func names(sources []identity.Path) string {
	texts := make([]string, len(sources))
	for i, s := range sources {
		texts[i] = s.String()
	}
	return strings.Join(texts, " ")
}
