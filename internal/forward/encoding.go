package forward

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/claimpath"
)

// Encoding is the encoding of values in identity headers that are not printable ASCII.
// Such values are never sent raw, and no two values have the same encoding. A header
// whose value has CR, LF or NUL is left out.
type Encoding string

const (
	// Percent writes each byte of the value's UTF-8 that is not printable ASCII,
	// each percent sign, a space at either end and, in items of a list, each comma
	// as % and two upper-case hexadecimal digits. It is what "" means.
	Percent Encoding = "percent"
	// RFC8187 writes such values, and those that begin like one, as ext-value (RFC
	// 8187, section 3.2.1): UTF-8'' and what is no attr-char percent-encoded.
	RFC8187 Encoding = "rfc8187"
	// Omit leaves headers with such values out.
	Omit Encoding = "omit"
)

// Encodings returns the names of all encodings.
func Encodings() []string { return []string{string(Percent), string(RFC8187), string(Omit)} }

func (e Encoding) check() error {
	if e != "" && !slices.Contains(Encodings(), string(e)) {
		return fmt.Errorf("unknown encoding %q, want one of %s", string(e), strings.Join(Encodings(), " "))
	}
	return nil
}

// text returns the value of a header for a field. The items of a list are encoded one by
// one and joined with a comma. It returns false for values of other types.
func (e Encoding) text(value any) (string, bool) {
	switch v := value.(type) {
	case []string:
		return e.list(v)
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			text, ok := claimpath.Text(item)
			if _, list := item.([]any); !ok || list {
				return "", false
			}
			items[i] = text
		}
		return e.list(items)
	}
	text, ok := claimpath.Text(value)
	if !ok {
		return "", false
	}
	return e.encode(text, false)
}

// list encodes the items of a list. One empty item would look like no item.
func (e Encoding) list(items []string) (string, bool) {
	if len(items) == 1 && items[0] == "" {
		return "", false
	}
	encoded, cloned := items, false
	for i, item := range items {
		text, ok := e.encode(item, true)
		if !ok {
			return "", false
		}
		if text != item && !cloned {
			encoded, cloned = slices.Clone(items), true
		}
		encoded[i] = text
	}
	return strings.Join(encoded, ","), true
}

// encode encodes a text, or an item of a list.
func (e Encoding) encode(text string, item bool) (string, bool) {
	if strings.ContainsAny(text, "\r\n\x00") {
		return "", false
	}
	switch e {
	case Omit:
		return text, isPlain(text, item)
	case RFC8187:
		if isPlain(text, item) && !hasExtPrefix(text) {
			return text, true
		}
		return extPrefix + escape(text, isAttrChar), true
	}
	if isPlain(text, item) && !strings.Contains(text, "%") {
		return text, true
	}
	return escape(text, func(c byte, inside bool) bool {
		return c > ' ' && c < 0x7f && c != '%' && !(item && c == ',') || c == ' ' && inside
	}), true
}

// isPlain reports whether a text needs no encoding in a header, or as an item of a list.
func isPlain(text string, item bool) bool {
	return isPrintable(text) && !(item && strings.Contains(text, ","))
}

// extPrefix begins an ext-value without a language.
const extPrefix = "UTF-8''"

func hasExtPrefix(text string) bool {
	return len(text) >= len(extPrefix) && strings.EqualFold(text[:len(extPrefix)], extPrefix)
}

// isAttrChar reports whether c is not encoded in an ext-value (RFC 8187, section 3.2.1).
func isAttrChar(c byte, _ bool) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0
}

// escape encodes the bytes that must be encoded as % and two hexadecimal digits. Inside is
// true for a byte that is neither the first nor the last.
func escape(text string, stays func(c byte, inside bool) bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if stays(c, i > 0 && i < len(text)-1) {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

// errNoHeaders is the error for an encoding without identity headers.
var errNoHeaders = errors.New("identity_headers has an encoding and no header: write lines such as X-Auth-User username")
