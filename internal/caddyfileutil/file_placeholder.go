package caddyfileutil

import (
	"fmt"
	"regexp"
)

// fileMatcherPlaceholder is what Caddy makes of {file.name} in a Caddyfile, where name has no
// slash and no dot: a part of the request's path, which nothing replaces at load.
var fileMatcherPlaceholder = regexp.MustCompile(`\{http\.request\.uri\.path\.file\.([\w-]*)\}`)

// CheckFilePlaceholder returns an error if a value that is replaced at load has a {file.name} that
// Caddy took for a part of the request's path.
func CheckFilePlaceholder(value string) error {
	found := fileMatcherPlaceholder.FindStringSubmatch(value)
	if found == nil {
		return nil
	}
	return fmt.Errorf("{file.%[1]s} is a part of the request's path in a Caddyfile: write the file's path with a /, such as {file./etc/caddy/%[1]s} or {file../%[1]s}", found[1])
}
