package counterexample

import (
	"maps"
	"strings"
)

// Complete returns a complete input: it takes the fields of part, the others from base, and
// derives the fields that a server derives from the path, the query and the headers.
func Complete(part, base map[string]any) map[string]any {
	whole := merge(base, part)
	request, _ := whole["request"].(map[string]any)
	said, _ := part["request"].(map[string]any)
	if request != nil && said != nil {
		request = maps.Clone(request)
		derivePath(request, said)
		deriveHeaders(request, said)
		whole["request"] = request
	}
	caller, _ := whole["identity"].(map[string]any)
	told, _ := part["identity"].(map[string]any)
	if caller != nil && len(told) > 0 {
		caller = maps.Clone(caller)
		deriveCaller(caller, told)
		whole["identity"] = caller
	}
	return whole
}

// merge returns an object with the members of both; the second one wins.
func merge(under, over map[string]any) map[string]any {
	result := maps.Clone(under)
	if result == nil {
		result = map[string]any{}
	}
	for name, value := range over {
		upper, isObject := value.(map[string]any)
		lower, wasObject := result[name].(map[string]any)
		if isObject && wasObject {
			value = merge(lower, upper)
		}
		result[name] = value
	}
	return result
}

// derivePath adds the missing forms of the path.
func derivePath(request, said map[string]any) {
	path, ok := said["path"].(string)
	if segments, split := said["segments"].([]any); split && !ok {
		path, ok = "", true
		for _, segment := range segments {
			text, _ := segment.(string)
			path += "/" + text
		}
	}
	if !ok {
		if path, ok = said["path_folded"].(string); !ok {
			return
		}
	}
	segments := []any{}
	for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if segment != "" {
			segments = append(segments, segment)
		}
	}
	forms := map[string]any{"path": path, "path_folded": strings.ToLower(path), "segments": segments, "raw_path": path, "rewritten_path": path}
	for name, value := range forms {
		if _, there := said[name]; !there {
			request[name] = value
		}
	}
}

// deriveHeaders adds the missing form of the headers.
func deriveHeaders(request, said map[string]any) {
	joined, _ := said["headers"].(map[string]any)
	lines, _ := said["header_values"].(map[string]any)
	if joined != nil && lines == nil {
		lines = map[string]any{}
		for name, value := range joined {
			lines[name] = []any{value}
		}
		request["header_values"] = lines
	}
	if lines != nil && joined == nil {
		joined = map[string]any{}
		for name, value := range lines {
			var texts []string
			list, _ := value.([]any)
			for _, line := range list {
				text, _ := line.(string)
				texts = append(texts, text)
			}
			joined[name] = strings.Join(texts, ", ")
		}
		request["headers"] = joined
	}
}

// deriveCaller completes the identity of a caller that a part of an input describes.
func deriveCaller(caller, told map[string]any) {
	known, said := told["authenticated"].(bool)
	if !said {
		known = told["kind"] != "anonymous" && told["kind"] != "guest"
		caller["authenticated"] = known
	}
	missing := map[string]any{"kind": "user", "id": "alice", "username": "alice", "method": "jwt"}
	switch {
	case told["kind"] == "guest":
		missing = map[string]any{"id": "link:album", "method": "link"}
	case !known:
		return
	}
	for name, value := range missing {
		if _, there := told[name]; !there {
			caller[name] = value
		}
	}
}
