package request

import (
	"slices"
	"strings"
)

// maxDecodings is how many times a path is decoded again, after the decoding that every
// server does. A path that still changes after that is rejected.
const maxDecodings = 4

// maxVariants limits the variants of one path.
const maxVariants = 256

// pathVariant is an escaped path and its query after some of the normalizations that an
// upstream may apply.
type pathVariant struct {
	path, query   string
	queryFromPath bool // the query comes from the path
}

func (s pathVariant) read() Reading {
	reading := parsePath(s.path)
	reading.Query, reading.queryFromPath = s.query, s.queryFromPath
	return reading
}

// normalization is one change that an upstream may make to a path. Its flag is "" if the
// change is usual.
type normalization struct {
	flag  Flag
	apply func(string) string
}

// normalizations are applied in any order, as long as they change something. Each shortens
// the path or leaves fewer escapes, so that this terminates.
var normalizations = []normalization{
	{FlagEncodedSlash, replaceFold("%2f", "/")},
	{FlagBackslash, func(s string) string { return replaceFold("%5c", "/")(strings.ReplaceAll(s, `\`, "/")) }},
	{FlagPathParameter, cutParameters},
	{FlagDotSegment, resolveDots},
	{FlagDoubleSlash, collapseSlashes},
	{"", decode}, // rewrites decode the text of placeholders again
}

// pathVariants returns the closure of the normalizations: the path itself first, and every
// path that they produce in any order.
func pathVariants(first pathVariant, flags []Flag) ([]pathVariant, []Flag) {
	all := []pathVariant{first}
	add := func(s pathVariant) bool {
		fresh := !slices.Contains(all, s)
		if fresh {
			all = append(all, s)
		}
		return fresh
	}
	for i := 0; i < len(all); i++ { //nolint:intrange // the loop appends to all
		from := all[i]
		for _, rw := range normalizations {
			if changed := rw.apply(from.path); changed != from.path && add(pathVariant{changed, from.query, from.queryFromPath}) && rw.flag != "" {
				flags = addFlag(flags, rw.flag)
			}
		}
		for _, cut := range from.splitAgain() {
			add(cut)
		}
		if len(all) > maxVariants {
			return all[:maxVariants], addFlag(flags, FlagTooLong)
		}
	}
	return all, flags
}

// splitAgain returns the spellings of a path whose decoded text a server parses as a URL
// again. The text after a "?" is the query, with or without the original one; the
// text after a "#" is dropped.
func (s pathVariant) splitAgain() []pathVariant {
	var result []pathVariant
	if path, after, found := cutFold(s.path, "?", "%3f"); found {
		result = append(result, pathVariant{path, after, true}, pathVariant{path, joinQueries(after, s.query), true})
	}
	if path, _, found := cutFold(s.path, "#", "%23"); found {
		result = append(result, pathVariant{path, s.query, s.queryFromPath})
	}
	return result
}

// cutFold cuts a path at the first occurrence of a character or of its escape.
func cutFold(path, character, escape string) (before, after string, found bool) {
	for i := range len(path) {
		for _, mark := range []string{character, escape} {
			if end := i + len(mark); end <= len(path) && strings.EqualFold(path[i:end], mark) {
				return path[:i], path[end:], true
			}
		}
	}
	return path, "", false
}

func joinQueries(first, second string) string {
	if first == "" || second == "" {
		return first + second
	}
	return first + "&" + second
}

// cutParameters removes what follows a semicolon in each segment.
func cutParameters(s string) string {
	parted := replaceFold("%3b", ";")(s)
	if !strings.Contains(parted, ";") {
		return s
	}
	segments := strings.Split(parted, "/")
	for i, segment := range segments {
		segments[i], _, _ = strings.Cut(segment, ";")
	}
	return strings.Join(segments, "/")
}

// resolveDots removes dot segments (RFC 3986, section 5.2.4), encoded ones too.
func resolveDots(s string) string {
	if !strings.Contains(replaceFold("%2e", ".")(s), ".") {
		return s
	}
	var kept []string
	segments := strings.Split(strings.TrimPrefix(s, "/"), "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		switch decode(segment) {
		case ".", "..":
			if decode(segment) == ".." && len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
			if last {
				kept = append(kept, "")
			}
		default:
			kept = append(kept, segment)
		}
	}
	return s[:len(s)-len(strings.TrimPrefix(s, "/"))] + strings.Join(kept, "/")
}

func collapseSlashes(s string) string {
	for strings.Contains(s, "//") {
		s = strings.ReplaceAll(s, "//", "/")
	}
	return s
}

// replaceFold replaces an escape in either case of its digits.
func replaceFold(escape, with string) func(string) string {
	upper := strings.ToUpper(escape)
	return func(s string) string {
		return strings.ReplaceAll(strings.ReplaceAll(s, escape, with), upper, with)
	}
}
