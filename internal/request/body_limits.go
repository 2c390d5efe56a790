package request

import (
	"context"
	"net/http"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/fairqueue"
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

// ReadBody reads the body for policies, as far as the limits allow, and puts it
// back for the next handler, to the byte (T-46). A body that cannot be read as a
// whole is shown as null and truncated; the problem says why. An error says that
// there was no room or no time for it: fairqueue.ErrBusy where too many are read or
// parsed, or the context's. Call ReleaseBody once the request is judged.
func (r *Request) ReadBody(ctx context.Context, limits BodyLimits) (problem BodyProblem, err error) {
	if r.upgrade.token == webSocket || r.http.Method == http.MethodConnect {
		return "", nil // what follows is no body (N-19)
	}
	content, problem := r.receiveBody(limits.Size)
	switch {
	case problem == bodyBusy:
		problem, err = "", fairqueue.ErrBusy
	case problem == "" && len(content) > 0:
		r.rawBody = content
		problem, err = r.parseBody(ctx, limits)
	}
	r.bodyTruncated = problem != "" || err != nil
	return problem, err
}

// WithholdBody shows policies no body, and says so.
func (r *Request) WithholdBody() { r.DropBody(); r.bodyTruncated = true }

// DropBody keeps no body for policies, once the request is judged.
func (r *Request) DropBody() { r.body, r.envoyBody, r.rawBody = nil, nil, nil }

// ReleaseBody makes room for the bodies of others.
func (r *Request) ReleaseBody() {
	if r.bodyMemory > 0 {
		bodyMemory.Release(r.ClientAddr(), r.bodyMemory)
		r.bodyMemory = 0
	}
}

// BodyAbandoned reports whether reading the body was given up, so that its
// connection cannot serve another request.
func (r *Request) BodyAbandoned() bool { return r.bodyAbandoned }

// BodyBlocksConnection reports whether a body that came too late keeps its connection until
// the client closes that, since a handler before this one hides read deadlines.
func (r *Request) BodyBlocksConnection() bool { return r.bodyBlocked }

// bodyText returns a body that has been read as text.
func (r *Request) bodyText() string { return toValidUTF8(string(r.rawBody)) }
