package authenticator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/policyauth/caddy-policy-auth/internal/strictjson"
)

// Limits of an identity, which every decision reads and a cache may keep.
const (
	// maxIdentity bounds the text in an identity, in bytes.
	maxIdentity = 1 << 20
	// maxDepth bounds how deep objects and lists nest in claims.
	maxDepth = 100
)

// Normalize completes i as policies expect it and returns i: nil lists and claims
// become empty ones, an empty Bound becomes none, an empty Kind becomes unknown, or
// anonymous without Authenticated, and claims become what decoding their JSON gives.
// Call it once, before an identity is shared between requests.
//
// An identity that is not valid stays so; Checked says why.
func (i *Identity) Normalize() *Identity {
	for _, list := range []*[]string{&i.Roles, &i.Groups, &i.Scopes, &i.AMR, &i.Unknown} {
		if *list == nil {
			*list = []string{}
		}
	}
	if i.Claims == nil {
		i.Claims = map[string]any{}
	}
	switch {
	case i.Kind == "" && i.Authenticated:
		i.Kind = KindUnknown
	case i.Kind == "":
		i.Kind = KindAnonymous
	}
	if i.Bound == "" {
		i.Bound = "none"
	}
	i.normalized = nil
	if i.check() == nil {
		i.normalized = i
	}
	return i
}

// Checked returns i itself if Normalize has completed it, else a completed copy. It
// fails for an identity that no policy can judge: one that is nil, that is
// authenticated without an ID, whose Kind, Bound or Unknown is none of the known
// values, with text that is not UTF-8, with claims that are not JSON, or with more
// than 1 MiB of text.
func (i *Identity) Checked() (*Identity, error) {
	switch {
	case i == nil:
		return nil, errors.New("there is no identity")
	case i.normalized == i:
		return i, nil
	}
	completed := *i
	completed.Normalize()
	if err := completed.check(); err != nil {
		return nil, err
	}
	return &completed, nil
}

// check converts the claims and says what is not valid.
func (i *Identity) check() error {
	switch {
	case i.Authenticated && i.ID == "":
		return errors.New("an authenticated caller has an ID, and this one is empty")
	case i.Authenticated == (i.Kind == KindAnonymous || i.Kind == KindGuest):
		return fmt.Errorf("authenticated is %t and kind is %q", i.Authenticated, i.Kind)
	case !slices.Contains([]Kind{KindUser, KindClient, KindUnknown, KindGuest, KindAnonymous}, i.Kind):
		return fmt.Errorf("kind is %q, want user, client, unknown, guest or anonymous", i.Kind)
	case !slices.Contains([]string{"none", "dpop", "certificate"}, i.Bound):
		return fmt.Errorf("bound is %q, want none, dpop or certificate", i.Bound)
	}
	for _, name := range i.Unknown {
		if !slices.Contains(unknownFields, name) {
			return fmt.Errorf("unknown names %q, want one of %q", name, unknownFields)
		}
	}
	left := size(maxIdentity)
	for _, text := range []string{i.ID, i.Username, i.Name, i.Issuer, i.Method, i.Email, i.ACR} {
		if err := left.take(text); err != nil {
			return err
		}
	}
	for _, list := range [][]string{i.Roles, i.Groups, i.Scopes, i.AMR} {
		for _, text := range list {
			if err := left.take(text); err != nil {
				return err
			}
		}
	}
	return i.checkClaims(left)
}

// checkClaims replaces claims of other types by their JSON.
func (i *Identity) checkClaims(left size) error {
	rest := left
	err := rest.value(i.Claims, 1)
	if !errors.Is(err, errForeign) {
		return err
	}
	encoded, err := json.Marshal(i.Claims)
	if err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	converted := map[string]any{}
	if err := decoder.Decode(&converted); err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	if err := left.value(converted, 1); err != nil {
		return err
	}
	i.Claims = converted
	return nil
}

// size is how many bytes of text an identity may still have.
type size int

// errForeign is why a value is not decoded JSON as it is.
var errForeign = errors.New("not decoded JSON")

// take counts a text.
func (s *size) take(text string) error {
	if !utf8.ValidString(text) {
		return errors.New("a text is not UTF-8")
	}
	if *s -= size(len(text) + 1); *s < 0 {
		return fmt.Errorf("more than %d bytes", maxIdentity)
	}
	return nil
}

// isNumber is the syntax of a number in JSON (RFC 8259, section 6).
var isNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// value counts the texts of a value in claims, and fails for one that decoding JSON
// does not give.
func (s *size) value(value any, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("claims nest deeper than %d levels", maxDepth)
	}
	switch v := value.(type) {
	case nil, bool:
		return s.take("")
	case string:
		return s.take(v)
	case json.Number:
		if !isNumber.MatchString(string(v)) {
			return fmt.Errorf("claims: %q is not a number", v)
		}
		if err := strictjson.CheckNumber(string(v)); err != nil {
			return fmt.Errorf("claims: %w", err)
		}
		return s.take(string(v))
	case []any:
		for _, item := range v {
			if err := s.value(item, depth+1); err != nil {
				return err
			}
		}
		return s.take("")
	case map[string]any:
		return s.members(v, depth)
	}
	return errForeign
}

func (s *size) members(object map[string]any, depth int) error {
	for name, value := range object {
		if err := s.take(name); err != nil {
			return err
		}
		if err := s.value(value, depth+1); err != nil {
			return err
		}
	}
	return s.take("")
}
