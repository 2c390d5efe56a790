package request

import (
	"net/http"
	"time"
)

// BodyLimits limits how much of a body is read and parsed.
type BodyLimits struct {
	// Size is the maximum size in bytes.
	Size int64
	// Values is the maximum number of values in JSON, or of fields in a form. Depth is
	// the maximum nesting depth of JSON.
	Values, Depth int
	// Forms enables the parsing of forms.
	Forms bool
	// Time limits how long parsing takes, without the wait for a free parser; 0 means no limit.
	Time time.Duration
}

// DefaultBodyLimits are the limits of a site without a body block.
var DefaultBodyLimits = BodyLimits{Size: 1 << 20, Values: 20_000, Depth: 64}

// BodyProblem is the reason code, in logs and in error responses, for a body that
// policies cannot see as a whole.
type BodyProblem string

// The reasons why policies cannot see a body.
const (
	BodyTooLarge   BodyProblem = "body_too_large"
	BodyTooComplex BodyProblem = "body_too_complex" // more values than BodyLimits.Values or deeper than Depth
	BodyEncoded    BodyProblem = "body_encoded"     // compressed
	BodyStreamed   BodyProblem = "body_streamed"    // a gRPC stream
	BodyMalformed  BodyProblem = "body_malformed"   // Content-Type says JSON, but it is invalid or ambiguous
	BodyTimeout    BodyProblem = "body_timeout"     // it arrived too slowly
	// BodyHeaderMismatch means that headers of the Model Context Protocol differ from the body.
	BodyHeaderMismatch BodyProblem = "header_mismatch"
)

// Status returns the HTTP status of the response to such a request.
func (p BodyProblem) Status() int {
	switch p {
	case BodyTooLarge, BodyTooComplex:
		return http.StatusRequestEntityTooLarge
	case BodyMalformed, BodyHeaderMismatch:
		return http.StatusBadRequest
	case BodyTimeout:
		return http.StatusRequestTimeout
	}
	return http.StatusUnsupportedMediaType
}
