package request

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"

	"github.com/policyauth/caddy-policy-auth/internal/fairqueue"
)

// ReadBody reads the body for policies, within the limits, and restores it byte for byte
// for the next handler (T-46). A body that cannot be read as a whole is null and truncated
// in the input document, and problem is the reason. The error is fairqueue.ErrBusy if too
// many bodies are being read or parsed, or the context's error. Call ReleaseBody after
// the decision.
func (r *Request) ReadBody(ctx context.Context, limits BodyLimits) (problem BodyProblem, err error) {
	if r.upgrade.token == webSocket || r.http.Method == http.MethodConnect {
		return "", nil // the bytes that follow are not a body (N-19)
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

// WithholdBody hides the body from policies and marks it as truncated.
func (r *Request) WithholdBody() { r.DropBody(); r.bodyTruncated = true }

// DropBody frees the body that policies saw, after the decision.
func (r *Request) DropBody() { r.body, r.envoyBody, r.rawBody = nil, nil, nil }

// ReleaseBody returns the body's memory to the limit that all clients share. Further
// calls do nothing.
func (r *Request) ReleaseBody() {
	if r.bodyMemory > 0 {
		bodyMemory.Release(r.ClientAddr(), r.bodyMemory)
		r.bodyMemory = 0
	}
}

// BodyAbandoned reports whether the body was not read to its end, so that its connection
// cannot serve another request.
func (r *Request) BodyAbandoned() bool { return r.bodyAbandoned }

// BodyBlocksConnection reports whether a body that timed out keeps its connection open
// until the client closes it, because an earlier handler hides read deadlines.
func (r *Request) BodyBlocksConnection() bool { return r.bodyBlocked }

// bodyText returns the body as text.
func (r *Request) bodyText() string { return toValidUTF8(string(r.rawBody)) }

const (
	// maxBodyMemory limits the memory, over all sites, of bodies that wait for a decision.
	// It is raised for a site whose max_size is more than 1/bodyMemoryFraction of it.
	maxBodyMemory      = 128 << 20
	bodyMemoryFraction = 16
	// initialBodyBuffer is the size of the buffer before any byte of a body arrived.
	initialBodyBuffer = 4 << 10
)

// bodyMemory shares the memory for bodies that wait for a decision between clients.
var bodyMemory = fairqueue.NewQuota(maxBodyMemory)

// bodyBusy means that the client's share of bodyMemory is used up.
const bodyBusy BodyProblem = "busy"

// receiveBody reads a body of at most limit bytes. Its buffer grows with the bytes that
// arrive, not with Content-Length, and counts against the client's share of bodyMemory.
func (r *Request) receiveBody(limit int64) ([]byte, BodyProblem) {
	from := r.http
	switch {
	case from.Body == nil, from.Body == http.NoBody:
		return nil, ""
	case isGRPC(from):
		return nil, BodyStreamed
	case len(from.Header["Content-Encoding"]) > 0:
		return nil, BodyEncoded
	case from.ContentLength > limit:
		return nil, BodyTooLarge
	}
	bodyMemory.Grow(min(limit, math.MaxInt64/bodyMemoryFraction) * bodyMemoryFraction)
	body := NewTimedBody(r.meta.Writer, from)
	defer body.Stop()
	content, err := r.readAll(body, limit)
	if body.TimedOut() || errors.Is(err, fairqueue.ErrBusy) {
		r.bodyAbandoned, r.bodyBlocked = true, body.noDeadlines && body.TimedOut() && from.ProtoMajor == 1
		from.Body = &replayedBody{Reader: &errorReader{err: err}, Closer: from.Body}
		if body.TimedOut() {
			return nil, BodyTimeout
		}
		return nil, bodyBusy
	}
	from.Body = &replayedBody{Reader: io.MultiReader(bytes.NewReader(content), &errorReader{from.Body, err}), Closer: from.Body}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge), int64(len(content)) > limit:
		return nil, BodyTooLarge
	case err != nil:
		return nil, BodyMalformed
	}
	return content, ""
}

// readAll reads to the end, but at most one byte more than limit.
func (r *Request) readAll(body io.Reader, limit int64) (content []byte, err error) {
	for int64(len(content)) <= limit {
		if len(content) == cap(content) {
			if content = r.growBuffer(content, limit); content == nil {
				return nil, fairqueue.ErrBusy
			}
		}
		n, err := body.Read(content[len(content):cap(content)])
		content = content[:len(content)+n]
		if errors.Is(err, io.EOF) {
			return content, nil
		}
		if err != nil {
			return content, err
		}
	}
	return content, nil
}

// growBuffer copies a body into a buffer of about twice its size. It returns nil if the
// client's share of bodyMemory is used up.
func (r *Request) growBuffer(content []byte, limit int64) []byte {
	have := int64(cap(content))
	size, most := max(2*have, initialBodyBuffer), limit+1
	if announced := r.http.ContentLength; announced >= 0 && announced+bytes.MinRead > have {
		most = announced + bytes.MinRead // exactly its length, not twice as much
	}
	size = min(size, most)
	if !bodyMemory.Acquire(r.ClientAddr(), size-have) {
		return nil
	}
	r.bodyMemory += size - have
	return append(make([]byte, 0, size), content...)
}

// replayedBody is a body that returns the bytes that were read before.
type replayedBody struct {
	io.Reader
	io.Closer
}

// errorReader continues with the rest of a body, or repeats the error of reading it.
type errorReader struct {
	io.Reader
	err error
}

func (f *errorReader) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.Reader.Read(p)
}
