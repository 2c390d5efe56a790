package dpop

import (
	"encoding/hex"
	"strings"
)

// maxURI is the length of the longest htu that is compared, in bytes.
const maxURI = 8 << 10

// SameURI reports whether the htu of a proof is the URI of a request: both are
// normalized, and the query and the fragment are ignored (RFC 9449, section 4.3; RFC
// 3986, sections 6.2.2 and 6.2.3). What is no http or https URI equals nothing.
func SameURI(htu, uri string) bool {
	a, validA := normalize(htu)
	b, validB := normalize(uri)
	return validA && validB && a == b
}

// normalize returns the normalized form of a URI without query and fragment: scheme and
// host in lower case, no default port, no dot segments, only unreserved characters
// decoded (S-24). It returns false for other URIs than http and https, and for what is
// no URI.
func normalize(uri string) (string, bool) {
	if len(uri) > maxURI {
		return "", false
	}
	scheme, rest, _ := strings.Cut(withoutQuery(uri), "://")
	port, known := defaultPorts[strings.ToLower(scheme)]
	if !known {
		return "", false
	}
	host, path := rest, ""
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		host, path = rest[:slash], rest[slash:]
	}
	host, validHost := normalizeHost(host, port)
	path, validPath := decodeUnreserved(path)
	return strings.ToLower(scheme) + "://" + host + removeDotSegments(path), validHost && validPath
}

// withoutQuery returns a URI without its query, which may have credentials, and without
// its fragment.
func withoutQuery(uri string) string {
	if end := strings.IndexAny(uri, "?#"); end >= 0 {
		return uri[:end]
	}
	return uri
}

// defaultPorts are the ports that a URI need not name, by its scheme.
var defaultPorts = map[string]string{"http": ":80", "https": ":443"}

// normalizeHost returns a host in lower case without the default port. It returns false
// for a host that is empty, has a user, or has other characters than hosts and
// addresses have.
func normalizeHost(host, defaultPort string) (string, bool) {
	host = strings.ToLower(host)
	host = strings.TrimSuffix(strings.TrimSuffix(host, defaultPort), ":")
	invalid := func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("-._~:[]", r))
	}
	return host, host != "" && host[0] != ':' && !strings.ContainsFunc(host, invalid)
}

// decodeUnreserved decodes the percent-encoded unreserved characters of a path (RFC
// 3986, section 2.3) and writes other encodings in upper case. It returns false for an
// invalid encoding and for characters that a path cannot have.
func decodeUnreserved(path string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c <= ' ' || c >= 0x7f {
			return "", false
		}
		if c != '%' {
			b.WriteByte(c)
			continue
		}
		if i+2 >= len(path) {
			return "", false
		}
		decoded, err := hex.DecodeString(path[i+1 : i+3])
		switch {
		case err != nil:
			return "", false
		case isUnreserved(decoded[0]):
			b.WriteByte(decoded[0])
		default:
			b.WriteString(strings.ToUpper(path[i : i+3]))
		}
		i += 2
	}
	return b.String(), true
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// removeDotSegments removes . and .. from a path that begins with a slash or is empty,
// which is / (RFC 3986, section 5.2.4).
func removeDotSegments(path string) string {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	kept := segments[:0]
	for i, segment := range segments {
		switch segment {
		case ".", "..":
			if segment == ".." && len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
			if i == len(segments)-1 {
				kept = append(kept, "")
			}
		default:
			kept = append(kept, segment)
		}
	}
	return "/" + strings.Join(kept, "/")
}
