package accesstable

import "strings"

// elsewhere are further paths of the public site that the next handler may serve or
// change for a request. Only rules that have paths judge them: what says nothing of
// paths was written for the path that the client asks for.
type elsewhere struct {
	found bool
	paths []string // in lower case
}

// script is what ends the name of a PHP script: what follows it in a path is handed to
// the script (CGI's PATH_INFO, RFC 3875, section 4.1.5).
const script = ".php"

// maxPrefixes bounds how many segments of a path may be a prefix that the next handler
// does not see.
const maxPrefixes = 16

// elsewhere returns these paths: what a rewrite made, a script and what follows it, and
// a WebDAV destination below a prefix that is removed from the path alone.
func (q *Question) elsewhere() []string {
	if q.others.found {
		return q.others.paths
	}
	q.others.found = true
	f := &q.Request
	q.addScript(f.PathFolded)
	if f.RewrittenPath != f.Path {
		rewritten := lower(f.RewrittenPath)
		q.others.paths = append(q.others.paths, rewritten)
		q.addScript(rewritten)
	}
	if f.DestinationPath != "" && f.DestinationHost == f.Host {
		q.addDestinations(f.PathFolded, lower(f.DestinationPath))
	}
	return q.others.paths
}

// addScript adds the script that a path names, and what follows it.
func (q *Question) addScript(path string) {
	if at := strings.Index(path, script); at >= 0 && at+len(script) < len(path) {
		q.others.paths = append(q.others.paths, path[:at+len(script)], path[at+len(script):])
	}
}

// addDestinations adds a destination below each prefix of a path that it is not below:
// handle_path removes a prefix from the path, and not from the Destination.
func (q *Question) addDestinations(path, destination string) {
	key, end := keyOf(path), 0
	for range maxPrefixes {
		if end == len(key) {
			return
		}
		if next := strings.IndexByte(key[end+1:], '/'); next >= 0 {
			end += 1 + next
		} else {
			end = len(key)
		}
		if prefix := key[:end]; !strings.HasPrefix(destination+"/", prefix+"/") {
			q.others.paths = append(q.others.paths, prefix+destination)
		}
	}
}
