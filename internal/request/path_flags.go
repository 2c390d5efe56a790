package request

import "slices"

// Flag is the code of a feature that makes a path or a query ambiguous.
type Flag string

// The flags of a path, in the order of request.path_flags.
const (
	FlagFragment         Flag = "fragment"          // a raw # in the request target
	FlagEncodedSlash     Flag = "encoded_slash"     // %2F
	FlagBackslash        Flag = "backslash"         // \ or %5C
	FlagPathParameter    Flag = "path_parameter"    // ; in a segment (RFC 3986, section 3.3)
	FlagDotSegment       Flag = "dot_segment"       // . or .. as a segment, also encoded
	FlagDoubleSlash      Flag = "double_slash"      // //
	FlagDoubleEncoding   Flag = "double_encoding"   // an escape that decodes to an escape
	FlagControlCharacter Flag = "control_character" // NUL and other control characters
	FlagInvalidUTF8      Flag = "invalid_utf8"
	FlagBadEscape        Flag = "bad_escape"        // % without two hexadecimal digits
	FlagBadDestination   Flag = "bad_destination"   // a Destination that is no single URL
	FlagOpaque           Flag = "opaque"            // a target such as http:x:/admin, which reaches the upstream unparsed
	FlagTooLong          Flag = "too_long"          // a path beyond maxAmbiguous that has another flag, or with more than maxReadings
	FlagOverEncoded      Flag = "over_encoded"      // a path that still changes after maxDecodings more decodings
	FlagHiddenCredential Flag = "hidden_credential" // a credential parameter after an encoded "?" in the path
	FlagBadHost          Flag = "bad_host"          // a Host that servers parse differently
)

// pathFlags lists every flag of a path.
var pathFlags = []Flag{
	FlagFragment, FlagEncodedSlash, FlagBackslash, FlagPathParameter, FlagDotSegment, FlagDoubleSlash, FlagDoubleEncoding,
	FlagControlCharacter, FlagInvalidUTF8, FlagBadEscape, FlagBadDestination, FlagOpaque, FlagTooLong, FlagOverEncoded,
	FlagHiddenCredential, FlagBadHost,
}

// rejectedFlags cause the response 400 unless the site allows them: no legitimate client
// needs them.
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

// unreadableFlags are the rejected flags of targets without a reading that policies could
// judge, which no site can allow.
var unreadableFlags = []Flag{FlagTooLong, FlagOverEncoded, FlagHiddenCredential, FlagOpaque, FlagBadHost, FlagBadDestination}

// AllowableFlags returns the flags that Config.AllowedFlags may have, sorted: the rejected
// flags except those of targets that no policy can judge.
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
