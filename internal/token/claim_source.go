package token

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/claimpath"
)

// claimSource says where the value of a field is among the claims. Its text is one of
//
//	<path>                      the value there
//	<path>[].<member>           a member of each object of the list there
//	keys:<path>                 the names of the members of the object there
//	keys:<path> having <member> of them those whose value has that member
type claimSource struct {
	text   string
	path   claimpath.Path
	each   claimpath.Path // of each item of a list
	form   sourceForm
	having string
}

// sourceForm is the form of a claimSource.
type sourceForm int

const (
	formValue sourceForm = iota
	formEach
	formKeys
)

// zitadelRoles is the prefix of the claims with ZITADEL's roles. The owners of
// every organization that a project is granted to can assign its roles.
const zitadelRoles = "urn:zitadel:"

// parseClaimSource parses one source.
func parseClaimSource(text string) (claimSource, error) {
	s := claimSource{text: text}
	rest, isKeys := strings.CutPrefix(text, "keys:")
	path, member, isEach := strings.Cut(text, "[].")
	var err error
	switch {
	case text == "[]", strings.HasPrefix(text, "[]."):
		return s, fmt.Errorf("%q names no claim: write one before [], such as roles[].value", text)
	case isKeys && (rest == "" || strings.HasPrefix(rest, " ")):
		return s, fmt.Errorf("%q names no claim: write one after keys:, such as keys:my_roles", text)
	case isKeys && strings.Contains(rest, "[]"):
		return s, fmt.Errorf("%q: keys: reads one object, and [] a list of objects: write keys:<path>, such as keys:my_roles, or <path>[].<member>, such as roles[].value", text)
	case isKeys:
		s.form = formKeys
		var having bool
		rest, s.having, having = strings.Cut(rest, " having ")
		if having && s.having == "" {
			return s, fmt.Errorf("%q: having names no member", text)
		}
		s.path, err = claimpath.Parse(rest)
	case isEach:
		s.form = formEach
		if strings.Contains(member, "[]") {
			return s, fmt.Errorf("%q: [] stands once in a source", text)
		}
		if s.path, err = claimpath.Parse(path); err == nil {
			s.each, err = claimpath.Parse(member)
		}
	case strings.HasSuffix(text, "[]"):
		return s, fmt.Errorf("%q: [] wants a member of each item, such as %s.value; a list of strings needs no []", text, text)
	case strings.Contains(text, "[]"):
		return s, fmt.Errorf("%q: a dot stands between [] and the member of each item, such as %s", text, strings.ReplaceAll(text, "[]", "[]."))
	default:
		s.path, err = claimpath.Parse(text)
	}
	if err == nil && isKeys && s.having == "" && strings.HasPrefix(s.path.Names()[0], zitadelRoles) {
		err = fmt.Errorf("%q: write having <organization id> after it: without it, roles that the owners of any other organization assign count too", text)
	}
	return s, err
}

// parseClaimSources parses the sources of a field. Only lists can have sources with
// several values.
func parseClaimSources(texts []string, list bool) ([]claimSource, error) {
	if len(texts) == 0 {
		return nil, errors.New("no source: name at least one claim")
	}
	sources := make([]claimSource, len(texts))
	for i, text := range texts {
		var err error
		if sources[i], err = parseClaimSource(text); err != nil {
			return nil, err
		}
		if sources[i].form != formValue && !list {
			return nil, fmt.Errorf("%q gives a list, and the field is one text (lists: roles groups scopes)", text)
		}
	}
	return sources, nil
}

// lookup returns what is at the source's path; null counts as nothing (OpenID
// Connect Core, section 5.3.2).
func (s claimSource) lookup(claims object) (value any, found bool) {
	value, found = s.path.Lookup(map[string]any(claims))
	return value, found && value != nil
}

// claim names the claim that the source reads, without what it makes of it.
func (s claimSource) claim() string {
	text, _, _ := strings.Cut(strings.TrimPrefix(s.text, "keys:"), " having ")
	return text
}

// list returns the strings that the source makes of the value at its path, false
// if the value has another form.
func (s claimSource) list(value any) ([]string, bool) {
	switch s.form {
	case formKeys:
		return s.keys(value)
	case formEach:
		return s.members(value)
	}
	if text, ok := value.(string); ok {
		return []string{text}, true
	}
	return stringList(value)
}

// keys returns the names of an object's members that stand for something, sorted.
func (s claimSource) keys(value any) ([]string, bool) {
	members, ok := value.(map[string]any)
	if !ok {
		return nil, false
	}
	names := []string{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if s.counts(members[name]) {
			names = append(names, name)
		}
	}
	return names, true
}

// counts reports whether a key's value says that the caller has the key: true, or
// an object or list that is not empty. With having, an object with that member.
func (s claimSource) counts(value any) bool {
	object, isObject := value.(map[string]any)
	if s.having != "" {
		member := object[s.having]
		return member != nil && member != false
	}
	items, _ := value.([]any)
	return value == true || isObject && len(object) > 0 || len(items) > 0
}

// members returns a member of each object in a list. An object without it adds
// nothing.
func (s claimSource) members(value any) ([]string, bool) {
	items, ok := value.([]any)
	if !ok {
		return nil, false
	}
	texts := []string{}
	for _, item := range items {
		if _, ok := item.(map[string]any); !ok {
			return nil, false
		}
		member, found := s.each.Lookup(item)
		if !found || member == nil {
			continue
		}
		text, ok := member.(string)
		if !ok {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, true
}

// names lists sources as they were written.
func names(sources []claimSource) string {
	texts := make([]string, len(sources))
	for i, s := range sources {
		texts[i] = s.text
	}
	return strings.Join(texts, " ")
}
