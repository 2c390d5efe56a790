package oidc

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// parameterName is the form of the name of an extra parameter.
var parameterName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`) })

// maxParameter is the maximum length of a value, in bytes. All values are in one
// URL.
const maxParameter = 1024

// Parameters of the protocol, which are not extra: each is set by the code flow, by a
// word of its own or by a step-up.
var (
	protocolParameters = []string{"redirect_uri", "state", "nonce", "scope", "code", "max_age", "acr_values", "prompt", "login_hint", "id_token_hint", "iss", "dpop_jkt"}
	protocolPrefixes   = []string{"response_", "code_", "client_", "request"}
)

// alternatives are the options for parameters that have one.
var alternatives = map[string]string{
	"scope": "use scopes", "client_id": "use client_id", "client_secret": "use client_secret", "prompt": "use prompt",
	"acr_values": "a policy's challenge asks for it", "max_age": "a policy's challenge asks for it",
}

// CheckParameters returns an error for extra parameters that belong to the protocol
// (S-29) or are malformed.
func CheckParameters(parameters map[string][]string) error {
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		folded := strings.ToLower(name)
		own := slices.Contains(protocolParameters, folded) || slices.ContainsFunc(protocolPrefixes, func(prefix string) bool { return strings.HasPrefix(folded, prefix) })
		switch {
		case !parameterName().MatchString(name):
			return fmt.Errorf("parameters: %q is not a name of 1 to 64 letters, digits, _ . : and -", printable(name))
		case own && alternatives[folded] != "":
			return fmt.Errorf("parameters: %s belongs to the protocol: %s", name, alternatives[folded])
		case own:
			return fmt.Errorf("parameters: %s belongs to the protocol and is set by the sign-in itself", name)
		case len(parameters[name]) == 0:
			return fmt.Errorf("parameters: %s has no value", name)
		case len(parameters[name]) > 1 && name != "resource": // RFC 8707, section 2
			return fmt.Errorf("parameters: %s is set twice; only resource may be", name)
		}
		for _, value := range parameters[name] {
			if err := checkParameter(name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkParameter returns an error for a malformed value or one with a request
// placeholder.
func checkParameter(name, value string) error {
	switch {
	case strings.Contains(value, "{http."):
		return fmt.Errorf("parameters: %s: %s: placeholders of a request are not replaced here, since a stranger chooses them; {env.…} and {file.…} are", name, printable(value))
	case value == "" || len(value) > maxParameter:
		return fmt.Errorf("parameters: %s: the value has %d bytes; want 1 to %d", name, len(value), maxParameter)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("parameters: %s: the value has a control character", name)
	}
	return nil
}
