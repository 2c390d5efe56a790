package token

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
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

// listFields are those of defaultMap that hold several values.
var listFields = []string{"roles", "groups", "scopes"}

// identify makes an identity of verified claims. It is an error if the id is
// missing, or if a claim at a field that the site maps itself has another form
// than the field. Any other claim of a foreign form is left out, and its field is
// unknown.
func (v *Verifier) identify(claims object, kind authenticator.Kind) (*authenticator.Identity, error) {
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
		Method:        "jwt",
		Roles:         m.list("roles"),
		Groups:        m.list("groups"),
		Scopes:        m.list("scopes"),
		Email:         m.text("email"),
		Claims:        claims,
		ACR:           m.label("acr"),
		AMR:           m.amr(),
		AuthTime:      m.authTime(),
		ExpiresAt:     m.seconds("exp"),
	}
	id.Issuer, _, _ = claims.text("iss")
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

// mapping reads claims into fields.
type mapping struct {
	verifier *Verifier
	claims   object
	distributedClaims
	unknown []string // fields that the issuer did not tell in a form that can be read
	skipped []string // why, for the debug log: the claim and what it is
	err     error    // the first form that refuses the token
	hint    string   // what to map instead, or ""
}

// find returns the value of the first source of a field that has one.
func (m *mapping) find(field string) (value any, from claimSource, found bool) {
	for _, s := range m.verifier.sources[field] {
		if field != "id" && m.isDistributed(s.path.Names()[0]) {
			m.skip(field, s.text, "told elsewhere")
			return nil, s, false
		}
		if value, found := s.lookup(m.claims); found && (field != "scopes" || value != "") { // an empty scope says nothing
			return value, s, true
		}
	}
	return nil, claimSource{}, false
}

// refuse refuses the token for what is at a source if the site maps the field
// itself, or if it is the id; otherwise the field is unknown.
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

// skip notes that a field is unknown because of a claim.
func (m *mapping) skip(field, claim, form string) {
	m.unknown = append(m.unknown, field)
	m.skipped = append(m.skipped, claim+": "+form)
}

// text returns a field that is one string.
func (m *mapping) text(field string) string {
	value, from, found := m.find(field)
	text, ok := value.(string)
	if found && !ok {
		m.refuse(field, from, value, "a string")
	}
	return text
}

// list returns a field that is a list of strings, or one string. One string of
// scopes is a list with spaces between its items (RFC 8693, section 4.2).
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

// label returns a claim that names something, such as acr: a string, or a number
// as it is written.
func (m *mapping) label(name string) string {
	text := stringOrNumber(m.claims[name])
	if value := m.claims[name]; text == "" && value != nil && value != "" {
		m.skip(name, name, describeType(value))
	}
	return text
}

// stringOrNumber returns a string, or a number as it is written; "" for anything else.
func stringOrNumber(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	}
	return ""
}

// amr returns the methods by which the caller signed in (RFC 8176, section 1): a
// list of strings, or of objects with a method, as Supabase has them; or one
// string.
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

// authTime returns when the caller signed in, in seconds since 1970, or 0: a
// number or, as AD FS writes it, a date and time (RFC 3339). One that is yet to
// come is not believed, since max_age would hold for ever.
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

// seconds returns exp or iat, which were checked before, in whole seconds since
// 1970, or 0.
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

// describeType says what a decoded JSON value is.
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
