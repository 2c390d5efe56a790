package request

import (
	"strings"
	"unicode/utf8"
)

// phpExtension is what ends the name of a PHP script: what follows it in a path is handed to
// the script (CGI's PATH_INFO, RFC 3875, section 4.1.5).
const phpExtension = ".php"

// A prefix that the next handler does not see is one that an operator wrote: it has at
// most so many segments and characters, whatever a stranger puts behind it.
const (
	maxPrefixes     = 16
	maxPrefixLength = 512
)

// AlternatePaths appends further paths of the site that the next handler may serve or change
// for a request: what a rewrite made of the path, a script and what follows it, and a
// WebDAV destination on the request's own host, "" for none, below a prefix that is
// removed from the path alone.
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

// appendScript appends the script that a path names, and what follows it.
func appendScript(paths []string, path string) []string {
	for at := 0; at+len(phpExtension) < len(path); at++ {
		if path[at] == '.' && strings.EqualFold(path[at:at+len(phpExtension)], phpExtension) {
			return append(paths, path[:at+len(phpExtension)], path[at+len(phpExtension):])
		}
	}
	return paths
}

// appendDestinations appends a destination below each prefix of a path that it is not
// below: handle_path removes a prefix from the path, and not from the DestinationHeader.
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
