package token

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// defaultMap are the default sources of identity fields.
var defaultMap = map[string][]string{
	"id":       {"sub"},
	"username": {"preferred_username", "username"},
	"name":     {"name"},
	"email":    {"email"},
	"roles":    {"roles"},
	"groups":   {"groups"},
	"scopes":   {"scope", "scp"},
}

// listFields are the fields with several values.
var listFields = []string{"roles", "groups", "scopes"}

// identify returns the identity of verified claims, whose token is bound to a key or
// not. A missing ID is an error, and
// so is a claim of the wrong type for a field that the configuration maps. Other
// claims of the wrong type are skipped, and their fields are unknown.
func (v *Verifier) identify(claims object, kind authenticator.Kind, bound string) (*authenticator.Identity, error) {
	m := &mapping{verifier: v, claims: claims}
	m.findOverage()
	if kind == authenticator.KindUnknown {
		m.skip("kind", "claims", "neither those of a person nor those of a program")
	}
	id := &authenticator.Identity{
		Authenticated: true,
		Kind:          kind,
		ID:            m.text("id"),
		Username:      m.text("username"),
		Name:          m.text("name"),
		Method:        v.method,
		Roles:         m.list("roles"),
		Groups:        m.list("groups"),
		Scopes:        m.list("scopes"),
		Email:         m.text("email"),
		Claims:        claims,
		ACR:           m.label("acr"),
		AMR:           m.amr(),
		AuthTime:      m.authTime(),
		ExpiresAt:     m.seconds("exp"),
		Bound:         bound,
	}
	id.Issuer, _, _ = claims.text("iss")
	id.Issuer = cmp.Or(id.Issuer, v.defaultIssuer)
	if v.maxAge > 0 {
		id.ExpiresAt = min(id.ExpiresAt, m.seconds("iat")+int64(v.maxAge.Seconds()))
	}
	if m.err != nil {
		refusal := malformed("the payload %v", m.err)
		refusal.add("hint", m.hint)
		return nil, refusal
	}
	if id.ID == "" {
		return nil, malformed("the payload has no id of the caller: there is nothing at %s", names(v.sources["id"]))
	}
	slices.Sort(m.unknown)
	id.Unknown = slices.Compact(m.unknown)
	if len(m.skipped) > 0 && v.skippedClaims != nil {
		v.skippedClaims(m.skipped)
	}
	return id.Normalize(), nil
}

// mapping reads the fields of an identity from claims.
type mapping struct {
	verifier *Verifier
	claims   object
	distributedClaims
	unknown []string // fields whose claims have the wrong type
	skipped []string // for the debug log: the claims and their types
	err     error    // the first error
	hint    string   // what to map instead, or ""
}

// find returns the value of the first source of a field that has one.
func (m *mapping) find(field string) (value any, from claimSource, found bool) {
	for _, s := range m.verifier.sources[field] {
		if field != "id" && m.isDistributed(s.path.Names()[0]) {
			m.skip(field, s.text, "told elsewhere")
			return nil, s, false
		}
		if value, found := s.lookup(m.claims); found && (field != "scopes" || value != "") { // an empty scope counts as missing
			return value, s, true
		}
	}
	return nil, claimSource{}, false
}

// refuse handles a value of the wrong type: it is an error if the configuration
// maps the field or if the field is the ID, and else the field is unknown.
func (m *mapping) refuse(field string, from claimSource, value any, want string) {
	if !m.verifier.customFields[field] && field != "id" {
		m.skip(field, from.text, describeType(value))
		return
	}
	if m.err == nil {
		form := describeType(value)
		if _, isList := value.([]any); isList && from.form == formKeys {
			form = "a list"
		}
		m.err = fmt.Errorf("has in the claim %s, mapped to %s, %s: %s wants %s", from.claim(), field, form, from.text, want)
		m.hint = from.instead(field, value)
	}
}

// skip records that a field is unknown because of a claim.
func (m *mapping) skip(field, claim, form string) {
	m.unknown = append(m.unknown, field)
	m.skipped = append(m.skipped, claim+": "+form)
}

// text returns a field with one string.
func (m *mapping) text(field string) string {
	value, from, found := m.find(field)
	text, ok := value.(string)
	if found && !ok {
		m.refuse(field, from, value, "a string")
	}
	return text
}

// list returns a field with a list of strings, or with one string. A string of
// scopes is split at spaces (RFC 8693, section 4.2).
func (m *mapping) list(field string) []string {
	value, from, found := m.find(field)
	if !found {
		return nil
	}
	if text, ok := value.(string); ok && field == "scopes" && from.form == formValue {
		return splitScope(text)
	}
	list, ok := from.list(value)
	if !ok {
		m.refuse(field, from, value, from.wants())
	}
	return list
}

// wants says which form the value at a source must have.
func (s claimSource) wants() string {
	switch s.form {
	case formKeys:
		return "an object, whose keys are read"
	case formEach:
		return "a list of objects in which " + s.each.String() + " is a string"
	}
	return "a string or a list of strings"
}

// instead says how to map a list field to a value that a source of its plain path
// cannot read; "" where nothing would.
func (s claimSource) instead(field string, value any) string {
	if s.form != formValue || !slices.Contains(listFields, field) {
		return ""
	}
	switch value := value.(type) {
	case map[string]any:
		return "map " + field + " keys:" + s.text + " reads the names in the object"
	case []any:
		if slices.ContainsFunc(value, func(item any) bool { _, ok := item.(map[string]any); return ok }) {
			return "map " + field + " " + s.text + "[].<member> reads a member of each object in the list"
		}
	}
	return ""
}

// label returns a claim such as acr that is a string or a number.
func (m *mapping) label(name string) string {
	text := stringOrNumber(m.claims[name])
	if value := m.claims[name]; text == "" && value != nil && value != "" {
		m.skip(name, name, describeType(value))
	}
	return text
}

// stringOrNumber returns a string, or a number as it is written; "" for other
// types.
func stringOrNumber(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	}
	return ""
}

// amr returns the authentication methods (RFC 8176, section 1): a list of strings,
// one string, or a list of objects with a member method as in tokens of Supabase.
func (m *mapping) amr() []string {
	value := m.claims["amr"]
	items, isList := value.([]any)
	if !isList && value != nil {
		items = []any{value}
	}
	methods := make([]string, 0, len(items))
	for _, item := range items {
		object, _ := item.(map[string]any)
		if method, ok := object["method"]; ok {
			item = method
		}
		method, ok := item.(string)
		if !ok {
			m.skip("amr", "amr", "no list of methods")
			return nil
		}
		methods = append(methods, method)
	}
	return methods
}

// authTime returns when the user signed in, in seconds since 1970, or 0. The claim
// is a number or, in tokens of AD FS, a date and time (RFC 3339). A time in the
// future is ignored, because it would satisfy every max_age.
func (m *mapping) authTime() int64 {
	at, present, err := m.claims.time("auth_time")
	if text, ok := m.claims["auth_time"].(string); ok {
		at, err = time.Parse(time.RFC3339, text)
	}
	switch {
	case !present:
		return 0
	case err != nil, at.Unix() < 0, at.After(m.verifier.now().Add(m.verifier.leeway)):
		m.skip("auth_time", "auth_time", "no time in the past")
		return 0
	}
	return at.Unix()
}

// seconds returns exp or iat in whole seconds since 1970, or 0.
func (m *mapping) seconds(name string) int64 {
	at, present, err := m.claims.time(name)
	if !present || err != nil {
		return 0
	}
	return at.Unix()
}

// splitScope splits a scope at its spaces (RFC 6749, section 3.3).
func splitScope(scope string) []string {
	return strings.FieldsFunc(scope, func(r rune) bool { return r == ' ' })
}

// describeType returns a description of a decoded value's type.
func describeType(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "true or false"
	case []any:
		return "a list of something else"
	}
	return "an object"
}
