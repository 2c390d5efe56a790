package decisionlog

import (
	"encoding/json"
	"fmt"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// maxRecord is how many bytes are kept of a request that is recorded, as JSON.
const maxRecord = 64 << 10

// errRecord says that even the truncated document is too long.
var errRecord = fmt.Errorf("the input document has more than %d bytes", maxRecord)

// Input is what the input document of a decision is made of.
type Input struct {
	// Request is the request, and Reading the reading of its path that was decided.
	Request *request.Request
	Reading *request.Reading
	// Identity is the caller.
	Identity *authenticator.Identity
	// Failure says why ambient credentials were not accepted, or "".
	Failure authenticator.Reason
	// Config has the operator's constants.
	Config map[string]any
	// Envoy adds the document of opa-envoy-plugin, without credentials.
	Envoy bool
}

// Document returns the input document as JSON, without credentials. It has the body if
// that was read.
func (i Input) Document() (json.RawMessage, error) {
	return join(i.document(), i.envoy())
}

// document returns the whole input document.
func (i Input) document() request.Document {
	return i.Request.Document(*i.Reading, i.Identity, i.Failure, i.Config, request.AllFields)
}

// envoy returns the document of opa-envoy-plugin, or nil.
func (i Input) envoy() map[string]any {
	if !i.Envoy {
		return nil
	}
	return i.Request.Envoy(*i.Reading, i.Config, false)
}

// join encodes a document and the members beside it.
func join(document request.Document, beside map[string]any) (json.RawMessage, error) {
	encoded, err := json.Marshal(document)
	if err != nil || len(beside) == 0 {
		return encoded, err
	}
	more, err := json.Marshal(beside)
	return append(append(encoded[:len(encoded)-1], ','), more[1:]...), err
}

// Record is the input document of a denied request, kept to explain the denial. Most are
// never read: the parts of the request are kept, unless they are large, and encoded when
// they are read.
type Record struct {
	request  request.Capture
	encoded  bool // instead of the parts
	identity *authenticator.Identity
	failure  authenticator.Reason
	config   map[string]any
	document json.RawMessage
	cut      bool
	err      error
}

// NewRecord keeps the input document of a decision, without credentials and without the
// body. A record has at most 64 KiB of JSON, however large the request is.
func NewRecord(in Input) *Record {
	if !in.Envoy && estimateValue(in.Identity.Claims) <= maxRecord {
		r := &Record{identity: in.Identity, failure: in.Failure, config: in.Config}
		if r.request.Take(in.Request, in.Reading, maxRecord) {
			return r
		}
	}
	r := &Record{encoded: true}
	r.document, r.cut, r.err = encodeBounded(in.document(), in.encodeWithoutBody)
	return r
}

// ByReference reports whether the texts of the request are kept as they are, so that
// keeping one of them again costs nothing.
func (r *Record) ByReference() bool { return r != nil && !r.encoded }

// Document returns the document. If it is too large, cut is true, and long texts in it are
// truncated or left out.
func (r *Record) Document() (document json.RawMessage, cut bool, err error) {
	if r.encoded {
		return r.document, r.cut, r.err
	}
	whole := r.request.Document(r.identity, r.failure, r.config)
	return encodeBounded(whole, func(whole request.Document) (json.RawMessage, error) { return json.Marshal(whole) })
}

// encodeBounded encodes a document without its body, in at most maxRecord bytes.
func encodeBounded(whole request.Document, encode func(request.Document) (json.RawMessage, error)) (document json.RawMessage, cut bool, err error) {
	whole.Request.Body = nil
	if estimateSize(&whole) <= maxRecord {
		if document, err = encode(whole); err != nil || len(document) <= maxRecord {
			return document, false, err
		}
	}
	truncate(&whole)
	if document, err = json.Marshal(whole); err == nil && len(document) > maxRecord {
		return nil, true, errRecord
	}
	return document, true, err
}

// encodeWithoutBody encodes a document that is kept whole, whose own body was removed.
func (i Input) encodeWithoutBody(whole request.Document) (json.RawMessage, error) {
	envoy := i.envoy()
	if envoy != nil {
		envoy["parsed_body"] = nil
	}
	if attributes := envoyRequest(envoy); attributes != nil {
		delete(attributes, "body")
	}
	return join(whole, envoy)
}

// envoyRequest returns the request within opa-envoy-plugin's document.
func envoyRequest(envoy map[string]any) map[string]any {
	attributes, _ := envoy["attributes"].(map[string]any)
	asked, _ := attributes["request"].(map[string]any)
	fields, _ := asked["http"].(map[string]any)
	return fields
}
