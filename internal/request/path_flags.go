package request

import "slices"

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
	FlagBadEscape        Flag = "bad_escape"        // % without two hexadecimal digits
	FlagBadDestination   Flag = "bad_destination"   // a DestinationHeader that is no single URL
	FlagOpaque           Flag = "opaque"            // a target such as http:x:/admin, which goes to the upstream unread
	FlagTooLong          Flag = "too_long"          // a path beyond maxAmbiguous that has another flag, or with more than maxReadings
	FlagOverEncoded      Flag = "over_encoded"      // a path that still changes after maxDecodings more decodings
	FlagHiddenCredential Flag = "hidden_credential" // the parameter of a credential behind an encoded "?" of the path
	FlagBadHost          Flag = "bad_host"          // a Host that servers could read in different ways
)

// pathFlags are the flags that a path may have.
var pathFlags = []Flag{
	FlagFragment, FlagEncodedSlash, FlagBackslash, FlagPathParameter, FlagDotSegment, FlagDoubleSlash, FlagDoubleEncoding,
	FlagControlCharacter, FlagInvalidUTF8, FlagBadEscape, FlagBadDestination, FlagOpaque, FlagTooLong, FlagOverEncoded,
	FlagHiddenCredential, FlagBadHost,
}

// rejectedFlags are answered with 400 unless the site allows them: there is no
// good reason to send one.
var rejectedFlags = map[Flag]bool{
	FlagFragment:         true,
	FlagBackslash:        true,
	FlagDotSegment:       true,
	FlagControlCharacter: true,
	FlagInvalidUTF8:      true,
	FlagBadEscape:        true,
	FlagBadDestination:   true,
	FlagTooLong:          true,
	FlagOverEncoded:      true,
	FlagHiddenCredential: true,
	FlagOpaque:           true,
	FlagBadHost:          true,
}

// unreadableFlags are the refused flags of targets that have no reading to go by.
var unreadableFlags = []Flag{FlagTooLong, FlagOverEncoded, FlagHiddenCredential, FlagOpaque, FlagBadHost, FlagBadDestination}

// AllowableFlags returns, sorted, the flags that AllowedFlags can name: all that
// are refused but those that no policy could judge.
func AllowableFlags() []string {
	var names []string
	for flag := range rejectedFlags {
		if flag != FlagInvalidUTF8 && !slices.Contains(unreadableFlags, flag) {
			names = append(names, string(flag))
		}
	}
	slices.Sort(names)
	return names
}

func (c *Config) allows(flag Flag) bool { return slices.Contains(c.AllowedFlags, flag) }

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
