package request

import (
	"net/http"
	"time"
)

// BodyLimits bound what is read of a body.
type BodyLimits struct {
	// Size is the most bytes it may have.
	Size int64
	// Values is the most values it may hold as JSON, or fields as a form, and DepthHeader
	// how deep JSON may nest.
	Values, Depth int
	// Forms says that forms are parsed too.
	Forms bool
	// Time is how long parsing may take, once it has begun; 0 for as long as it does.
	Time time.Duration
}

// DefaultBodyLimits is how much of a body is read unless a site says otherwise.
var DefaultBodyLimits = BodyLimits{Size: 1 << 20, Values: 20_000, Depth: 64}

// BodyProblem says why a body cannot be judged as a whole. It is a code for
// logs and for the refused.
type BodyProblem string

// The problems of a body.
const (
	BodyTooLarge   BodyProblem = "body_too_large"
	BodyTooComplex BodyProblem = "body_too_complex" // more values or deeper than is parsed
	BodyEncoded    BodyProblem = "body_encoded"     // compressed
	BodyStreamed   BodyProblem = "body_streamed"    // gRPC has no end
	BodyMalformed  BodyProblem = "body_malformed"   // no JSON though it says so, or JSON that can be read in two ways
	BodyTimeout    BodyProblem = "body_timeout"     // it came too slowly
)

// Status returns the status with which a body is refused.
func (p BodyProblem) Status() int {
	switch p {
	case BodyTooLarge, BodyTooComplex:
		return http.StatusRequestEntityTooLarge
	case BodyMalformed:
		return http.StatusBadRequest
	case BodyTimeout:
		return http.StatusRequestTimeout
	}
	return http.StatusUnsupportedMediaType
}
