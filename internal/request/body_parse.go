package request

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"runtime"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/fairqueue"
	"github.com/policyauth/caddy-policy-auth/internal/strictjson"
)

const (
	// maxWaiting is how many requests may wait for a parser, and maxWait how long each
	// of them waits.
	maxWaiting = 256
	maxWait    = time.Second
)

// parseQueue limits how many bodies of all sites are parsed at once to the number of
// processors: more would take memory and finish no sooner.
var parseQueue = fairqueue.New(runtime.GOMAXPROCS(0), maxWaiting, maxWait)

// parseBody parses a JSON body; other bodies are text. It counts the values of JSON and
// of forms before it allocates any.
func (r *Request) parseBody(ctx context.Context, limits BodyLimits) (BodyProblem, error) {
	types := r.http.Header["Content-Type"]
	if len(types) == 0 {
		r.body = r.bodyText()
		return "", nil
	}
	kind, params, err := mime.ParseMediaType(types[0])
	if len(types) > 1 || err != nil {
		return BodyMalformed, nil
	}
	isJSON := kind == "application/json" || strings.HasSuffix(kind, "+json")
	if isJSON && !isUTF8(params["charset"]) {
		return BodyMalformed, nil // another server may decode it to another text
	}
	if !isJSON {
		r.body = r.bodyText()
		if !limits.Forms || kind != formType && kind != multipartType {
			return "", nil
		}
	}
	within := strictjson.Limits{Values: limits.Values, Depth: limits.Depth}
	if isJSON && strictjson.TooComplex(r.rawBody, within) || kind == formType && bytes.Count(r.rawBody, []byte("&")) >= limits.Values {
		return BodyTooComplex, nil
	}
	if err := parseQueue.Acquire(ctx, r.ClientAddr()); err != nil {
		return "", err
	}
	defer parseQueue.Release()
	if limits.Time > 0 {
		var release context.CancelFunc
		ctx, release = context.WithTimeout(ctx, limits.Time)
		defer release()
	}
	switch {
	case isJSON:
		r.body, err = strictjson.DecodeWhile(r.rawBody, limits.Depth, ctx.Err)
		r.envoyBody = r.body
	case kind == formType:
		form, _ := parseQuery(nil, string(r.rawBody))
		r.envoyBody = listsOf(form)
	default:
		r.envoyBody, err = parseMultipart(ctx, r.rawBody, params["boundary"], within)
	}
	return parseProblem(ctx, err)
}

// isUTF8 reports whether a charset of JSON, which has none, means UTF-8 (RFC 8259, section
// 8.1).
func isUTF8(charset string) bool {
	return charset == "" || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8") || strings.EqualFold(charset, "us-ascii")
}

// parseProblem distinguishes an invalid body from one whose parsing was cut short.
func parseProblem(ctx context.Context, err error) (BodyProblem, error) {
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, errTooComplex):
		return BodyTooComplex, nil
	case err != nil:
		return BodyMalformed, nil
	}
	return "", nil
}

const (
	formType      = "application/x-www-form-urlencoded"
	multipartType = "multipart/form-data"
)

var errTooComplex = errors.New("the body holds too much")

// parseMultipart returns the fields of a form as opa-envoy-plugin does: a list of values
// for each name, which are text, or the parsed value of a part whose type is JSON.
func parseMultipart(ctx context.Context, content []byte, boundary string, limits strictjson.Limits) (any, error) {
	if boundary == "" {
		return nil, errors.New("a multipart body without a boundary")
	}
	fields, parts := map[string]any{}, multipart.NewReader(bytes.NewReader(content), boundary)
	for count := 0; ; count++ {
		part, err := parts.NextRawPart()
		switch {
		case errors.Is(err, io.EOF):
			return fields, nil
		case err != nil:
			return nil, err
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case count == limits.Values:
			return nil, errTooComplex
		}
		name := part.FormName()
		if name == "" {
			continue
		}
		value, err := partValue(ctx, part, limits)
		if err != nil {
			return nil, err
		}
		list, _ := fields[toValidUTF8(name)].([]any)
		fields[toValidUTF8(name)] = append(list, value)
	}
}

// partValue returns the value of one part of a multipart body.
func partValue(ctx context.Context, part *multipart.Part, limits strictjson.Limits) (any, error) {
	content, err := io.ReadAll(part)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(part.Header.Get("Content-Type"), "application/json") {
		return toValidUTF8(string(content)), nil
	}
	if strictjson.TooComplex(content, limits) {
		return nil, errTooComplex
	}
	return strictjson.DecodeWhile(content, limits.Depth, ctx.Err)
}
