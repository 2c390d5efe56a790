package request

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/strictjson"
)

// BodyProblem says why a body cannot be judged as a whole. It is a code for
// logs and for the refused.
type BodyProblem string

// The problems of a body.
const (
	BodyTooLarge  BodyProblem = "body_too_large"
	BodyEncoded   BodyProblem = "body_encoded"   // compressed
	BodyStreamed  BodyProblem = "body_streamed"  // gRPC and WebSockets have no end
	BodyMalformed BodyProblem = "body_malformed" // no JSON though it says so, or JSON that can be read in two ways
)

// Status returns the status with which a body is refused.
func (p BodyProblem) Status() int {
	switch p {
	case BodyTooLarge:
		return http.StatusRequestEntityTooLarge
	case BodyMalformed:
		return http.StatusBadRequest
	}
	return http.StatusUnsupportedMediaType
}

// maxBodyDepth is how deep a JSON body may nest.
const maxBodyDepth = 64

// ReadBody reads the body for policies, of at most limit bytes, and puts it back
// for whoever comes next, to the byte (T-46). A body that cannot be read as a
// whole is shown as null and truncated; the problem says why.
func (r *Request) ReadBody(limit int64) BodyProblem {
	content, problem := readBody(r.http, limit)
	if problem == "" && len(content) > 0 {
		r.bodyText = valid(string(content))
		r.body, problem = parseBody(r.http.Header["Content-Type"], content)
	}
	r.truncated = problem != ""
	return problem
}

func readBody(r *http.Request, limit int64) ([]byte, BodyProblem) {
	switch {
	case r.Body == nil, r.Body == http.NoBody:
		return nil, ""
	case IsWebSocket(r), isGRPC(r):
		return nil, BodyStreamed
	case len(r.Header["Content-Encoding"]) > 0:
		return nil, BodyEncoded
	case r.ContentLength > limit:
		return nil, BodyTooLarge
	}
	content, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
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

// parseBody returns JSON as its value, and anything else as text.
func parseBody(types []string, content []byte) (any, BodyProblem) {
	if len(types) == 0 {
		return valid(string(content)), ""
	}
	mediaType, _, err := mime.ParseMediaType(types[0])
	switch {
	case len(types) > 1, err != nil:
		return nil, BodyMalformed
	case mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json"):
		return valid(string(content)), ""
	}
	value, err := strictjson.Decode(content, maxBodyDepth)
	if err != nil {
		return nil, BodyMalformed
	}
	return value, ""
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
