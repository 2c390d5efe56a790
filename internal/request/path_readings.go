package request

import (
	"net/url"
	"slices"
)

// Reading is one interpretation of a request's path, query and method. Servers differ in how
// they decode and normalize a path, so that policies must allow every reading.
type Reading struct {
	// Path is the decoded public path in this reading. An encoded slash within a segment
	// stays "%2F".
	Path string
	// Segments is Path, split at slashes and then decoded; a trailing slash adds no segment.
	Segments []string
	// Rewritten is the decoded path that the next handler sees, in this reading. It equals
	// Path unless the request was rewritten.
	Rewritten string
	// Query is the raw query in this reading: a handler that decodes the path again may
	// take the text after an encoded "?" as the query.
	Query string
	// Destination is the decoded path of a WebDAV Destination, or "".
	Destination string
	// Method is the client's method, or the one to which a handler has changed it.
	Method string

	queryFromPath bool // Query comes from the path
}

// maxAmbiguousPath limits the length of a path with more than one reading, in bytes.
const maxAmbiguousPath = 8 << 10

// maxReadings limits the readings of one request, which policies evaluate one by one: the
// combinations of the variants of its path, rewritten path and destination with its
// queries and methods.
const maxReadings = 64

// readings returns every combination of the readings of a request's public path and query,
// of those that the next handler sees, and of its WebDAV destination.
func readings(facts *Metadata, path string, now *url.URL, dest destination, room *readingBuffer) ([]Reading, []Flag) {
	rewritten := path
	if now.Path != facts.URL.Path || now.RawPath != facts.URL.RawPath {
		rewritten = escapedPath(now)
	}
	flags := targetFlags(facts)
	sameQuery := now.RawQuery == facts.URL.RawQuery
	if dest == (destination{}) && len(flags) == 0 && sameQuery && isPlain(path) && isPlain(rewritten) {
		return room.read(path, rewritten, facts.URL.RawQuery), nil
	}
	result, flags := readPath(path, facts.URL.RawQuery, flagSegments(parsePath(path), flags))
	if rewritten != path || !sameQuery {
		var others []Reading
		others, flags = readPath(rewritten, now.RawQuery, flags)
		if rewritten != path {
			result = withRewritten(result, others, !sameQuery)
		} else {
			result = appendDistinct(result, others)
		}
	}
	switch {
	case dest.invalid:
		flags = append(flags, FlagBadDestination)
	case dest.path != "":
		var destinations []Reading
		destinations, flags = readPath(dest.path, "", flagSegments(parsePath(dest.path), flags))
		result = withDestinations(result, destinations)
	}
	return limitReadings(result, flags)
}

// maxReadingBytes limits the paths of all readings together, in bytes, because each is
// compared with every path in the policies.
const maxReadingBytes = 64 << 10

// limitReadings adds FlagTooLong if there are more than maxReadings or maxReadingBytes.
func limitReadings(readings []Reading, flags []Flag) ([]Reading, []Flag) {
	if len(readings) > maxReadings {
		return readings[:maxReadings], addFlag(flags, FlagTooLong)
	}
	total := 0
	for i := range readings {
		total += len(readings[i].Path) + len(readings[i].Rewritten) + len(readings[i].Destination)
	}
	if total > maxReadingBytes {
		return readings[:1], addFlag(flags, FlagTooLong)
	}
	return readings, flags
}

// readPath returns the distinct readings of an escaped path and its query, and adds their
// flags.
func readPath(escaped, query string, flags []Flag) ([]Reading, []Flag) {
	first := pathVariant{path: escaped, query: query}
	if isPlain(escaped) {
		return []Reading{first.read()}, flags
	}
	if len(escaped) > maxAmbiguousPath {
		return []Reading{first.read()}, addFlag(flags, FlagTooLong)
	}
	if changesAfterDecoding(escaped, 1) {
		flags = addFlag(flags, FlagDoubleEncoding)
	}
	if changesAfterDecoding(escaped, maxDecodings+1) {
		return []Reading{first.read()}, addFlag(flags, FlagOverEncoded)
	}
	spellings, flags := pathVariants(first, flags)
	var result []Reading
	for _, spelling := range spellings {
		reading := spelling.read()
		flags = flagDecodedSegments(&reading, flags)
		if !slices.ContainsFunc(result, reading.same) {
			result = append(result, reading)
		}
	}
	return result, flags
}

// same reports whether two readings of one path are equal, except for a trailing slash.
func (r *Reading) same(other Reading) bool {
	return r.Query == other.Query && slices.Equal(r.Segments, other.Segments)
}

// withRewritten returns each combination of the readings of the public path and of the
// rewritten one. A query from the rewritten path makes a further reading, and if the query
// was changed, each path also has a reading with the changed query.
func withRewritten(paths, rewritten []Reading, changed bool) []Reading {
	var result []Reading
	for i, path := range paths {
		for j, other := range rewritten {
			path.Rewritten = other.Path
			if j == 0 || other.Path != rewritten[j-1].Path {
				result = append(result, path)
			}
			if other.Query != path.Query && (changed || i == 0 && other.queryFromPath) {
				both := path
				both.Query, both.queryFromPath = other.Query, other.queryFromPath
				result = appendDistinct(result, []Reading{both})
			}
			if len(result) > maxReadings {
				return result
			}
		}
	}
	return result
}

// appendDistinct appends the readings that are not in the list yet.
func appendDistinct(readings, others []Reading) []Reading {
	for _, other := range others {
		if !slices.ContainsFunc(readings, func(r Reading) bool { return r.Rewritten == other.Rewritten && r.same(other) }) {
			readings = append(readings, other)
		}
	}
	return readings
}

// withDestinations returns each combination of the readings of a path and a destination.
func withDestinations(paths, destinations []Reading) []Reading {
	result := make([]Reading, 0, min(len(paths)*len(destinations), maxReadings+1))
	for _, path := range paths {
		for _, destination := range destinations {
			path.Destination = destination.Path
			if result = append(result, path); len(result) > maxReadings {
				return result
			}
		}
	}
	return result
}
