package decisionlog

import (
	"errors"
	"fmt"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
)

// maskAll applies the members of the mask: JSON pointers of what to remove, or
// {op, path, value}.
func (e *Entry) maskAll(masks any) error {
	list, ok := masks.([]any)
	if !ok {
		return errors.New(bundle.MaskRule + " is not a set")
	}
	for _, item := range list {
		rule, ok := item.(map[string]any)
		if path, isPath := item.(string); isPath {
			rule, ok = map[string]any{"op": "remove", "path": path}, true
		}
		path, _ := rule["path"].(string)
		if !ok || path == "" {
			return errors.New(bundle.MaskRule + ": want paths such as /input/identity/email, or {op, path, value}")
		}
		if err := e.mask(rule["op"], path, rule["value"]); err != nil {
			return fmt.Errorf("%s: %s: %w", bundle.MaskRule, path, err)
		}
	}
	return nil
}

// mask applies one rule. A path that does not exist changes nothing.
func (e *Entry) mask(op any, path string, value any) error {
	names := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i := range names {
		names[i] = pointerText.Replace(names[i])
	}
	root := map[string]any{"input": e.Input, "result": e.Result}
	if _, known := root[names[0]]; !known {
		return errors.New("want a path below /input or /result")
	}
	parent := walk(root, names[:len(names)-1])
	last := names[len(names)-1]
	switch _, there := parent[last]; {
	case op == "remove" && there:
		delete(parent, last)
		e.Erased = append(e.Erased, path)
	case op == "upsert" && parent != nil:
		parent[last] = value
		e.Masked = append(e.Masked, path)
	case op != "remove" && op != "upsert":
		return errors.New("op is remove or upsert")
	}
	e.Input, e.Result = root["input"], root["result"]
	return nil
}

// pointerText undoes the escapes of a JSON pointer (RFC 6901, section 4).
var pointerText = strings.NewReplacer("~1", "/", "~0", "~")

// walk follows names down from an object, or returns nil.
func walk(from map[string]any, names []string) map[string]any {
	for _, name := range names {
		from, _ = from[name].(map[string]any)
	}
	return from
}
