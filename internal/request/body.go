package request

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// BodyLimits bound what is read of a body.
type BodyLimits struct {
	// Size is the most bytes it may have.
	Size int64
	// Values is the most values it may hold as JSON, or fields as a form, and Depth
	// how deep JSON may nest.
	Values, Depth int
	// Forms says that forms are parsed too.
	Forms bool
	// Time is how long parsing may take, once it has begun; 0 for as long as it does.
	Time time.Duration
}

// DefaultBody is how much of a body is read unless a site says otherwise.
var DefaultBody = BodyLimits{Size: 1 << 20, Values: 20_000, Depth: 64}

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
)

// Status returns the status with which a body is refused.
func (p BodyProblem) Status() int {
	switch p {
	case BodyTooLarge, BodyTooComplex:
		return http.StatusRequestEntityTooLarge
	case BodyMalformed:
		return http.StatusBadRequest
	}
	return http.StatusUnsupportedMediaType
}

// ReadBody reads the body for policies, as far as the limits allow, and puts it
// back for the next handler, to the byte (T-46). A body that cannot be read as a
// whole is shown as null and truncated; the problem says why. An error says that
// there was no time to parse it: fairqueue.ErrBusy where too many are parsed, or
// the context's.
func (r *Request) ReadBody(ctx context.Context, limits BodyLimits) (problem BodyProblem, err error) {
	if r.upgrade.token == webSocket || r.http.Method == http.MethodConnect {
		return "", nil // what follows is no body (N-19)
	}
	content, problem := readBody(r.http, limits.Size)
	if problem == "" && len(content) > 0 {
		r.content = content
		problem, err = r.parseBody(ctx, limits)
	}
	r.truncated = problem != "" || err != nil
	return problem, err
}

// HideBody shows policies no body, and says so.
func (r *Request) HideBody() { r.body, r.parsed, r.content, r.truncated = nil, nil, nil, true }

// bodyText returns a body that has been read as text.
func (r *Request) bodyText() string { return valid(string(r.content)) }

func readBody(r *http.Request, limit int64) ([]byte, BodyProblem) {
	switch {
	case r.Body == nil, r.Body == http.NoBody:
		return nil, ""
	case isGRPC(r):
		return nil, BodyStreamed
	case len(r.Header["Content-Encoding"]) > 0:
		return nil, BodyEncoded
	case r.ContentLength > limit:
		return nil, BodyTooLarge
	}
	var buffer bytes.Buffer
	if r.ContentLength > 0 {
		buffer.Grow(int(r.ContentLength) + bytes.MinRead) // its length alone, not twice as much
	}
	_, err := buffer.ReadFrom(io.LimitReader(r.Body, limit+1))
	content := buffer.Bytes()
	r.Body = &restored{Reader: io.MultiReader(bytes.NewReader(content), &failing{r.Body, err}), Closer: r.Body}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge), int64(len(content)) > limit:
		return nil, BodyTooLarge
	case err != nil:
		return nil, BodyMalformed
	}
	return content, ""
}

// restored is a body of which something has been read.
type restored struct {
	io.Reader
	io.Closer
}

// failing goes on where a body was left, or fails as reading it did.
type failing struct {
	io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.Reader.Read(p)
}
