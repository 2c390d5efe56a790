package decision

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// envoyMembers are what opa-envoy-plugin reads of an object, and nothing else.
var envoyMembers = []string{
	"allowed", "headers", "body", "http_status", "response_headers_to_add", "request_headers_to_remove",
	"query_parameters_to_set", "query_parameters_to_remove", "dynamic_metadata",
}

// decodeEnvoy decodes the value of a decision as opa-envoy-plugin
// does: a boolean, or an object with allowed, whose other members may be
// anything if the plugin does not know them.
func decodeEnvoy(value ast.Value) Decision {
	object, ok := value.(ast.Object)
	if !ok {
		return decode(value)
	}
	native, err := ast.JSON(object)
	if err != nil {
		return Failed(err)
	}
	members, ok := native.(map[string]any)
	if !ok {
		return Failed(errors.New("the decision has members whose names are no strings"))
	}
	if _, decided := members["allowed"]; !decided {
		return Decision{Reason: authenticator.ReasonPolicyUndefined, Err: errors.New("the decision has no member allowed")}
	}
	status, elsewhere := redirectStatus(members)
	d := decoder{room: maxText}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value := members[name]
		switch {
		case !slices.Contains(envoyMembers, name), elsewhere && name == "http_status":
			continue
		case name == "headers" || name == "response_headers_to_add":
			value = mergeHeaders(value)
		}
		if err := fields[name](&d, value); err != nil {
			return Failed(fmt.Errorf("the decision's member %s: %w", name, err))
		}
	}
	decision := d.finish()
	if elsewhere && !decision.Allow {
		decision.Redirect = &Redirect{To: decision.Headers.Get("Location"), Status: status}
		decision.Headers.Del("Location")
	}
	return decision
}

// redirectStatus returns the status of a denial that sends its caller elsewhere.
// Unlike our own decisions' it may lead to another site: the header is the
// policy's own.
func redirectStatus(members map[string]any) (int, bool) {
	status, err := decodeInt(members["http_status"])
	headers, _ := mergeHeaders(members["headers"]).(map[string]any)
	for name := range headers {
		if http.CanonicalHeaderKey(name) == "Location" {
			return int(status), err == nil && slices.Contains(redirects, status)
		}
	}
	return 0, false
}

// mergeHeaders returns headers as one object: the plugin takes a list of
// objects too, whose values add up.
func mergeHeaders(value any) any {
	items, ok := value.([]any)
	if !ok {
		return value
	}
	merged := map[string]any{}
	for _, item := range items {
		object, ok := item.(map[string]any)
		if !ok {
			return value
		}
		for name, more := range object {
			lines, _ := merged[name].([]any)
			if list, isList := more.([]any); isList {
				merged[name] = append(lines, list...)
			} else {
				merged[name] = append(lines, more)
			}
		}
	}
	return merged
}
