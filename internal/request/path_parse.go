package request

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

func escapedPath(u *url.URL) string {
	if path := u.EscapedPath(); path != "" {
		return path
	}
	return "/"
}

// targetFlags returns the flags of the whole request target.
func targetFlags(facts *Metadata) []Flag {
	var flags []Flag
	if facts.URL.Opaque != "" {
		flags = append(flags, FlagOpaque)
	}
	if strings.Contains(facts.RequestURI, "#") {
		flags = append(flags, FlagFragment)
	}
	return flags
}

// readingBuffer holds the only reading of an unambiguous path, so that it costs no
// allocation.
type readingBuffer struct {
	readings [1]Reading
	segments [8]string
}

// read reads a path that can be read in one way, as can the rewritten one.
func (r *readingBuffer) read(plain, rewritten, query string) []Reading {
	reading := Reading{Path: plain, Segments: r.segments[:0], Rewritten: rewritten, Query: query}
	if most := strings.Count(plain, "/") + 1; most > len(r.segments) {
		reading.Segments = make([]string, 0, most)
	}
	rest := strings.TrimPrefix(plain, "/")
	for rest != "" {
		var segment string
		segment, rest, _ = strings.Cut(rest, "/")
		reading.Segments = append(reading.Segments, segment)
	}
	r.readings[0] = reading
	return r.readings[:]
}

// isPlain reports whether a path is unambiguous: it has a single reading.
func isPlain(escaped string) bool {
	for i := range len(escaped) {
		switch c := escaped[i]; {
		case c == '%', c == ';', c == '\\', c < 0x20, c >= 0x7f:
			return false
		case c == '/' && i+1 < len(escaped) && (escaped[i+1] == '/' || escaped[i+1] == '.'):
			return false
		}
	}
	return true
}

// flagSegments adds the flags that are visible only in decoded segments.
func flagSegments(reading Reading, flags []Flag) []Flag {
	for _, segment := range reading.Segments {
		if !utf8.ValidString(segment) {
			flags = addFlag(flags, FlagInvalidUTF8)
		}
		if strings.ContainsFunc(segment, func(c rune) bool { return c < 0x20 || c == 0x7f }) {
			flags = addFlag(flags, FlagControlCharacter)
		}
	}
	return flags
}

// flagDecodedSegments is flagSegments for a path that was decoded again or rewritten. It
// replaces invalid UTF-8, as in the name 100%ab, with U+FFFD, which no rule can match. It
// flags overlong sequences, which old decoders read as ASCII (RFC 3629, section 10).
func flagDecodedSegments(reading *Reading, flags []Flag) []Flag {
	for i, segment := range reading.Segments {
		if !utf8.ValidString(segment) && !hasOverlongUTF8(segment) {
			reading.Segments[i] = toValidUTF8(segment)
		}
	}
	reading.Path = toValidUTF8(reading.Path)
	reading.Rewritten = reading.Path
	return flagSegments(*reading, flags)
}

// hasOverlongUTF8 reports whether a string has a UTF-8 sequence that is longer than needed.
func hasOverlongUTF8(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c == 0xc0, c == 0xc1,
			c == 0xe0 && i+1 < len(s) && s[i+1] >= 0x80 && s[i+1] < 0xa0,
			c == 0xf0 && i+1 < len(s) && s[i+1] >= 0x80 && s[i+1] < 0x90:
			return true
		}
	}
	return false
}

// parsePath splits an escaped path into decoded segments.
func parsePath(escaped string) Reading {
	trimmed := strings.TrimPrefix(escaped, "/")
	if trimmed == "" {
		return Reading{Path: "/", Segments: []string{}, Rewritten: "/"}
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
	return Reading{Path: path, Segments: segments, Rewritten: path}
}

// decode undoes percent-encoding once. Invalid escapes stay as they are.
func decode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	decoded := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			decoded = append(decoded, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		decoded = append(decoded, s[i])
	}
	return string(decoded)
}

// changesAfterDecoding reports whether a path that was decoded the given number of times
// still changes when it is decoded once more.
func changesAfterDecoding(escaped string, times int) bool {
	for range times {
		decoded := decode(escaped)
		if decoded == escaped {
			return false
		}
		escaped = decoded
	}
	return decode(escaped) != escaped
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
