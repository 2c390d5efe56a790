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
		bodyMemory.Give(r.ClientAddr(), r.bodyMemory)
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

const (
	// maxBodyMemory bounds the bytes of bodies that are read and not judged yet, of all
	// sites. It is more where a site's largest body is more than the part-th of it.
	maxBodyMemory      = 128 << 20
	bodyMemoryFraction = 16
	// initialBodyBuffer is how many bytes a body has room for before any arrived.
	initialBodyBuffer = 4 << 10
)

// bodyMemory is the memory of bodies that are read and not judged yet.
var bodyMemory = fairqueue.NewQuota(maxBodyMemory)

// bodyBusy says that there is no room for a body.
const bodyBusy BodyProblem = "busy"

// receiveBody reads a body of at most limit bytes. Its memory grows with what arrives,
// whatever length was announced, and is the client's share of arriving.
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

// readAll reads until the end, or one byte more than limit.
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

// growBuffer returns a body's bytes with room for about as many again, or nil if the
// client's share is used up.
func (r *Request) growBuffer(content []byte, limit int64) []byte {
	have := int64(cap(content))
	size, most := max(2*have, initialBodyBuffer), limit+1
	if announced := r.http.ContentLength; announced >= 0 && announced+bytes.MinRead > have {
		most = announced + bytes.MinRead // its length alone, not twice as much
	}
	size = min(size, most)
	if !bodyMemory.Acquire(r.ClientAddr(), size-have) {
		return nil
	}
	r.bodyMemory += size - have
	return append(make([]byte, 0, size), content...)
}

// replayedBody is a body of which something has been read.
type replayedBody struct {
	io.Reader
	io.Closer
}

// errorReader goes on where a body was left, or fails as reading it did.
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
