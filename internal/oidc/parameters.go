package oidc

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// parameterName is what an extra parameter may be called.
var parameterName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`) })

// maxParameter bounds a value, in bytes: all of them are a part of a URL.
const maxParameter = 1024

// Parameters of the protocol, which are not extra: each is set by the code flow, by a
// word of its own or by a step-up.
var (
	protocolParameters = []string{"redirect_uri", "state", "nonce", "scope", "code", "max_age", "acr_values", "prompt", "login_hint", "id_token_hint", "iss", "dpop_jkt"}
	protocolPrefixes   = []string{"response_", "code_", "client_", "request"}
)

// alternatives says what to write for a parameter that has a word of its own.
var alternatives = map[string]string{
	"scope": "use scopes", "client_id": "use client_id", "client_secret": "use client_secret", "prompt": "use prompt",
	"acr_values": "a policy's challenge asks for it", "max_age": "a policy's challenge asks for it",
}

// CheckParameters reports extra parameters that are not extra (S-29), and what no
// provider can read.
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

// checkParameter reports a value that is not the same for each user, or unfit.
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
