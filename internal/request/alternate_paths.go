package request

import (
	"strings"
	"unicode/utf8"
)

// phpExtension ends the name of a PHP script. The rest of a path becomes the script's
// PATH_INFO (RFC 3875, section 4.1.5).
const phpExtension = ".php"

// Limits of a prefix that handle_path removes, in segments and characters. An operator
// writes it in a Caddyfile, so that it is short however long a client's path is.
const (
	maxPrefixes     = 16
	maxPrefixLength = 512
)

// AlternatePaths appends the other paths that the next handler may serve or change for a
// request: the rewritten path, a PHP script and its PATH_INFO, and a WebDAV destination on
// the request's own host ("" for none) below a prefix that handle_path removed from the
// path.
func AlternatePaths(paths []string, path, rewritten, destination string) []string {
	paths = appendScript(paths, path)
	if rewritten != path {
		paths = appendScript(append(paths, rewritten), rewritten)
	}
	if destination != "" {
		paths = appendDestinations(paths, path, destination)
	}
	return paths
}

// appendScript appends the PHP script that a path names, and its PATH_INFO.
func appendScript(paths []string, path string) []string {
	for at := 0; at+len(phpExtension) < len(path); at++ {
		if path[at] == '.' && strings.EqualFold(path[at:at+len(phpExtension)], phpExtension) {
			return append(paths, path[:at+len(phpExtension)], path[at+len(phpExtension):])
		}
	}
	return paths
}

// appendDestinations appends a destination below each prefix of the path that it does not
// have: handle_path removes a prefix from the path but not from the Destination header.
func appendDestinations(paths []string, path, destination string) []string {
	path = "/" + strings.TrimPrefix(strings.TrimSuffix(path, "/"), "/")
	if path == "/" {
		return paths
	}
	for end, n := 0, 0; n < maxPrefixes && end < len(path); n++ {
		if next := strings.IndexByte(path[end+1:], '/'); next >= 0 {
			end += 1 + next
		} else {
			end = len(path)
		}
		prefix := path[:end]
		if utf8.RuneCountInString(prefix) > maxPrefixLength {
			break
		}
		if !strings.HasPrefix(destination+"/", prefix+"/") {
			paths = append(paths, prefix+destination)
		}
	}
	return paths
}
