package request

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Reading is one way to read a path.
type Reading struct {
	// Path is the decoded public path in this reading. A slash that was encoded
	// and is read as part of a segment stays "%2F".
	Path string
	// Segments is Path, split at slashes and then decoded; a trailing slash adds none.
	Segments []string
	// Destination is the decoded path that a WebDAV MOVE or COPY points to, or "".
	Destination string
}

// Flag names something that makes a path or a query readable in more than one
// way.
type Flag string

// The flags of a path, in the order in which they are listed.
const (
	FlagFragment         Flag = "fragment"          // a raw # in the request target
	FlagEncodedSlash     Flag = "encoded_slash"     // %2F
	FlagBackslash        Flag = "backslash"         // \ or %5C
	FlagPathParameter    Flag = "path_parameter"    // ; in a segment (RFC 3986, section 3.3)
	FlagDotSegment       Flag = "dot_segment"       // . or .. as a segment, also encoded
	FlagDoubleSlash      Flag = "double_slash"      // //
	FlagDoubleEncoding   Flag = "double_encoding"   // an escape that decodes to an escape
	FlagControlCharacter Flag = "control_character" // NUL and its kin
	FlagInvalidUTF8      Flag = "invalid_utf8"
	FlagBadEscape        Flag = "bad_escape"      // % without two hexadecimal digits
	FlagBadDestination   Flag = "bad_destination" // a Destination that is no single URL
	FlagOpaque           Flag = "opaque"          // a target such as http:x:/admin, which goes to the upstream unread
	FlagTooLong          Flag = "too_long"        // a path beyond maxAmbiguous that has another flag, or with more than maxReadings
	FlagBadHost          Flag = "bad_host"        // a Host that servers could read in different ways
)

// pathFlags are the flags that a path may have.
var pathFlags = []Flag{
	FlagFragment, FlagEncodedSlash, FlagBackslash, FlagPathParameter, FlagDotSegment, FlagDoubleSlash, FlagDoubleEncoding,
	FlagControlCharacter, FlagInvalidUTF8, FlagBadEscape, FlagBadDestination, FlagOpaque, FlagTooLong, FlagBadHost,
}

// refusedFlags are answered with 400 unless the site allows them: there is no
// good reason to send one.
var refusedFlags = map[Flag]bool{
	FlagFragment:         true,
	FlagBackslash:        true,
	FlagDotSegment:       true,
	FlagControlCharacter: true,
	FlagInvalidUTF8:      true,
	FlagBadEscape:        true,
	FlagBadDestination:   true,
	FlagTooLong:          true,
	FlagOpaque:           true,
	FlagBadHost:          true,
}

// unreadable are the refused flags of targets that have no reading to go by.
var unreadable = []Flag{FlagTooLong, FlagOpaque, FlagBadHost}

// RefusedFlags returns, sorted, the flags that AllowedFlags can name: all that
// are refused but those that no policy could judge.
func RefusedFlags() []string {
	var names []string
	for flag := range refusedFlags {
		if flag != FlagInvalidUTF8 && !slices.Contains(unreadable, flag) {
			names = append(names, string(flag))
		}
	}
	slices.Sort(names)
	return names
}

// maxAmbiguous bounds the work for paths with more than one reading, in bytes.
const maxAmbiguous = 8 << 10

// maxReadings bounds how many times a policy is asked about one request: each
// combination of the rewritings of a path, or of a path's and a destination's.
const maxReadings = 64

func (c *Config) allows(flag Flag) bool { return slices.Contains(c.AllowedFlags, flag) }

// readings reads a request's public path and, for MOVE and COPY, its
// destination: every pair of their readings.
func readings(facts *Facts, dest string, room *room) ([]Reading, []Flag) {
	path := facts.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	var flags []Flag
	var result []Reading
	if facts.URL.Opaque != "" {
		flags = append(flags, FlagOpaque)
	}
	if strings.Contains(facts.RequestURI, "#") {
		flags = append(flags, FlagFragment)
	}
	if len(flags) == 0 && isPlain(path) {
		result = room.read(path)
	} else {
		result, flags = readPath(path, flags)
	}
	if dest == "" {
		return result, flags
	}
	if dest == badDestination {
		return result, append(flags, FlagBadDestination)
	}
	destinations, flags := readPath(dest, flags)
	if len(result)*len(destinations) > maxReadings {
		return result, addFlag(flags, FlagTooLong)
	}
	return pair(result, destinations), flags
}

// readPath returns the distinct readings of an escaped path and adds to flags
// what it noticed.
func readPath(escaped string, flags []Flag) ([]Reading, []Flag) {
	if len(flags) == 0 && isPlain(escaped) {
		return []Reading{read(escaped)}, nil
	}
	if len(escaped) > maxAmbiguous {
		return []Reading{read(escaped)}, addFlag(flags, FlagTooLong)
	}
	variants, flags := variants(escaped, flags)
	var result []Reading
	for _, variant := range variants {
		reading := read(variant)
		flags = inspect(reading, flags)
		if !slices.ContainsFunc(result, func(r Reading) bool { return slices.Equal(r.Segments, reading.Segments) }) {
			result = append(result, reading)
		}
	}
	return result, flags
}

// room is where the one reading of a usual path is put.
type room struct {
	readings [1]Reading
	segments [8]string
}

// read reads a path that can be read in one way.
func (r *room) read(plain string) []Reading {
	reading := Reading{Path: plain, Segments: r.segments[:0]}
	rest := strings.TrimPrefix(plain, "/")
	for rest != "" {
		var segment string
		segment, rest, _ = strings.Cut(rest, "/")
		reading.Segments = append(reading.Segments, segment)
	}
	r.readings[0] = reading
	return r.readings[:]
}

// isPlain reports whether a path can be read in one way only.
func isPlain(escaped string) bool {
	for i := 0; i < len(escaped); i++ {
		switch c := escaped[i]; {
		case c == '%', c == ';', c == '\\', c < 0x20, c >= 0x7f:
			return false
		case c == '/' && i+1 < len(escaped) && (escaped[i+1] == '/' || escaped[i+1] == '.'):
			return false
		}
	}
	return true
}

// rewriting is one thing that a server behind us may do to a path.
type rewriting struct {
	flag    Flag
	rewrite func(string) string
}

// rewritings are applied in this order, each or not, so that a path with n of
// them has up to 2^n readings.
var rewritings = []rewriting{
	{FlagFragment, cutFragment},
	{FlagEncodedSlash, replaceFold("%2f", "/")},
	{FlagBackslash, func(s string) string { return replaceFold("%5c", "/")(strings.ReplaceAll(s, `\`, "/")) }},
	{FlagPathParameter, cutParameters},
	{FlagDotSegment, resolveDots},
	{FlagDoubleSlash, collapseSlashes},
}

// variants applies each combination of the rewritings that change something.
func variants(escaped string, flags []Flag) ([]string, []Flag) {
	result := []string{escaped}
	for _, rw := range rewritings {
		if rw.flag == FlagFragment && !slices.Contains(flags, FlagFragment) {
			continue // an encoded # is an ordinary character
		}
		for _, variant := range result {
			if changed := rw.rewrite(variant); changed != variant {
				flags = addFlag(flags, rw.flag)
				result = append(result, changed)
			}
		}
	}
	return result, flags
}

// inspect adds the flags that show only in decoded segments.
func inspect(reading Reading, flags []Flag) []Flag {
	for _, segment := range reading.Segments {
		if !utf8.ValidString(segment) {
			flags = addFlag(flags, FlagInvalidUTF8)
		}
		if strings.ContainsFunc(segment, func(c rune) bool { return c < 0x20 || c == 0x7f }) {
			flags = addFlag(flags, FlagControlCharacter)
		}
		if unescaped, err := url.PathUnescape(segment); err == nil && unescaped != segment {
			flags = addFlag(flags, FlagDoubleEncoding)
		}
	}
	return flags
}

// read splits an escaped path into decoded segments.
func read(escaped string) Reading {
	trimmed := strings.TrimPrefix(escaped, "/")
	if trimmed == "" {
		return Reading{Path: "/", Segments: []string{}}
	}
	segments := strings.Split(trimmed, "/")
	shown := segments
	if strings.Contains(escaped, "%") {
		shown = slices.Clone(segments)
		for i, segment := range segments {
			segments[i] = decode(segment)
			shown[i] = strings.ReplaceAll(segments[i], "/", "%2F")
		}
	}
	path := strings.Join(shown, "/")
	if strings.HasPrefix(escaped, "/") {
		path = "/" + path
	}
	if last := len(segments) - 1; segments[last] == "" {
		segments = segments[:last]
	}
	return Reading{Path: path, Segments: segments}
}

// decode undoes percent-encoding once; what cannot be decoded stays as it is.
func decode(segment string) string {
	if decoded, err := url.PathUnescape(segment); err == nil {
		return decoded
	}
	return segment
}

// pair returns each combination of a path's and a destination's readings.
func pair(paths, destinations []Reading) []Reading {
	result := make([]Reading, 0, len(paths)*len(destinations))
	for _, path := range paths {
		for _, destination := range destinations {
			path.Destination = destination.Path
			result = append(result, path)
		}
	}
	return result
}

func cutFragment(s string) string {
	before, _, _ := strings.Cut(s, "%23")
	return before
}

// cutParameters removes what follows a semicolon in each segment.
func cutParameters(s string) string {
	segments := strings.Split(replaceFold("%3b", ";")(s), "/")
	for i, segment := range segments {
		segments[i], _, _ = strings.Cut(segment, ";")
	}
	return strings.Join(segments, "/")
}

// resolveDots removes dot segments (RFC 3986, section 5.2.4), encoded ones too.
func resolveDots(s string) string {
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

func addFlag(flags []Flag, flag Flag) []Flag {
	if slices.Contains(flags, flag) {
		return flags
	}
	return append(flags, flag)
}

func flagNames(flags []Flag) []string {
	names := make([]string, len(flags))
	for i, flag := range flags {
		names[i] = string(flag)
	}
	return names
}
