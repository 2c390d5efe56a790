package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

const (
	// maxRecord is how many bytes are kept of a request that is recorded, as JSON.
	maxRecord = 64 << 10
	// maxRecordText is how long one text may be in a larger one.
	maxRecordText = 512
	// maxRecordRest bounds the texts of a shortened one, of which JSON may make six
	// times as much.
	maxRecordRest = maxRecord / 16
)

// ID names a set by its configuration: equal sets have equal ones, also after a
// restart.
func (s *Engine) ID() string { return s.id }

// idOf hashes a configuration.
func idOf(config Config) string {
	encoded, _ := json.Marshal(config) // it holds nothing that JSON does not
	digest := sha256.Sum256(encoded)
	return hex.EncodeToString(digest[:6])
}

// errRecord says that even the shortened request is too long.
var errRecord = fmt.Errorf("the input document has more than %d bytes", maxRecord)

// Record is the input document of a decision, kept to explain it. Hardly any is asked
// for: what a request consists of is kept, unless that is much, and encoded once it is.
type Record struct {
	request  request.Capture
	encoded  bool // and not kept as it is
	identity *authenticator.Identity
	failure  authenticator.Reason
	config   *Constants
	document json.RawMessage
	cut      bool
	err      error
}

// Record returns the input document of a decision to be kept: in the reading that
// was decided upon, without credentials and without the body. What a stranger sends
// never makes it hold more than maxRecord bytes.
func (s *Engine) Record(in Input, d Decision) *Record {
	reading := &d.origin.reading
	if d.origin.snapshot == nil {
		reading = &in.Request.Readings()[0]
	}
	if !s.config.OPAEnvoy && weighValue(in.Identity.Claims) <= maxRecord {
		r := &Record{identity: in.Identity, failure: in.Failure, config: in.Config}
		if r.request.Take(in.Request, reading, maxRecord) {
			return r
		}
	}
	r := &Record{encoded: true}
	whole := in.Request.Document(*reading, in.Identity, in.Failure, in.Config.values, request.AllFields)
	r.document, r.cut, r.err = encodeBounded(whole, func(whole request.Document) (json.RawMessage, error) { return s.recorded(in, *reading, whole) })
	return r
}

// ByReference reports whether the texts of the request are kept as they are, so that
// to keep one of them once more costs nothing.
func (r *Record) ByReference() bool { return r != nil && !r.encoded }

// Document returns the document. Cut says that it was so large that long texts in it
// are shortened, or left out altogether.
func (r *Record) Document() (document json.RawMessage, cut bool, err error) {
	if r.encoded {
		return r.document, r.cut, r.err
	}
	whole := r.request.Document(r.identity, r.failure, r.config.values)
	return encodeBounded(whole, func(whole request.Document) (json.RawMessage, error) { return json.Marshal(whole) })
}

// encodeBounded encodes a document without its body, in at most maxRecord bytes.
func encodeBounded(whole request.Document, encode func(request.Document) (json.RawMessage, error)) (document json.RawMessage, cut bool, err error) {
	whole.Request.Body = nil
	if weigh(&whole) <= maxRecord {
		if document, err = encode(whole); err != nil || len(document) <= maxRecord {
			return document, false, err
		}
	}
	shorten(&whole)
	if document, err = json.Marshal(whole); err == nil && len(document) > maxRecord {
		return nil, true, errRecord
	}
	return document, true, err
}

// recorded encodes a document that is kept as it is.
func (s *Engine) recorded(in Input, reading request.Reading, whole request.Document) (json.RawMessage, error) {
	if !s.config.OPAEnvoy {
		return json.Marshal(whole)
	}
	envoy := in.Request.Envoy(reading, in.Config.values, false)
	envoy["parsed_body"] = nil
	if attributes := envoyRequest(envoy); attributes != nil {
		delete(attributes, "body")
	}
	return joined(whole, envoy)
}

// envoyRequest returns the request within opa-envoy-plugin's document.
func envoyRequest(envoy map[string]any) map[string]any {
	attributes, _ := envoy["attributes"].(map[string]any)
	asked, _ := attributes["request"].(map[string]any)
	fields, _ := asked["http"].(map[string]any)
	return fields
}

// Documents returns the input documents for a request, one for each reading of
// its path, without credentials. The body is read if the decision reads it.
func (s *Engine) Documents(in Input) ([]json.RawMessage, error) {
	defer in.Request.ReleaseBody()
	current := s.live.Load()
	if current.readBody(&question{ctx: context.Background(), in: in, timeout: s.config.Timeout, readsMCP: current.readsMCP(in)}) != nil {
		in.Request.WithholdBody()
	}
	var documents []json.RawMessage
	for _, reading := range in.Request.Readings() {
		whole := in.Request.Document(reading, in.Identity, in.Failure, in.Config.values, request.AllFields)
		var envoy map[string]any
		if s.config.OPAEnvoy {
			envoy = in.Request.Envoy(reading, in.Config.values, false)
		}
		document, err := joined(whole, envoy)
		if err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
	return documents, nil
}

// joined encodes a document and what stands beside it.
func joined(document request.Document, beside map[string]any) (json.RawMessage, error) {
	encoded, err := json.Marshal(document)
	if err != nil || len(beside) == 0 {
		return encoded, err
	}
	more, err := json.Marshal(beside)
	return append(append(encoded[:len(encoded)-1], ','), more[1:]...), err
}

// weigh returns about how many bytes the parts of a document have that a client
// chooses: at least as many as in any of them.
func weigh(d *request.Document) int {
	f := &d.Request
	total := len(f.Method) + len(f.Host) + len(f.RawPath) + len(f.RawQuery) + len(f.DestinationPath) + len(f.DestinationHost) + weighTexts(f.Segments) + len(f.MCP.Method) + len(f.MCP.Tool)
	for name, text := range f.Headers {
		total += len(name) + len(text)
	}
	for _, lists := range []map[string][]string{f.HeaderValues, f.Query} {
		for name, lines := range lists {
			total += len(name) + weighTexts(lines)
		}
	}
	return total + weighValue(d.Identity.Claims)
}

// weighTexts also counts what stands between texts.
func weighTexts(texts []string) int {
	total := 0
	for _, text := range texts {
		total += len(text) + 4
	}
	return total
}

func weighValue(value any) int {
	total := 8
	switch v := value.(type) {
	case string:
		return len(v)
	case []any:
		for _, item := range v {
			total += weighValue(item)
		}
	case map[string]any:
		for name, item := range v {
			total += len(name) + weighValue(item)
		}
	}
	return total
}

// shorten makes a document small enough to be kept: long texts are cut; if that
// is not enough, what has them is left out.
func shorten(d *request.Document) {
	f := &d.Request
	for _, text := range []*string{&f.Method, &f.Host, &f.Path, &f.PathFolded, &f.RewrittenPath, &f.RawPath, &f.RawQuery, &f.DestinationPath, &f.DestinationHost} {
		*text = shortText(*text)
	}
	f.Headers = maps.Clone(f.Headers) // it may be shared
	for name, text := range f.Headers {
		f.Headers[name] = shortText(text)
	}
	f.HeaderValues, f.Query, f.Segments = shortLists(f.HeaderValues), shortLists(f.Query), shortTexts(f.Segments)
	if weighValue(d.Identity.Claims) > maxRecordRest {
		id := *d.Identity
		id.Claims, d.Identity = map[string]any{}, &id
	}
	if weigh(d) > 2*maxRecordRest {
		f.Headers, f.HeaderValues, f.Query, f.Segments = map[string]string{}, map[string][]string{}, map[string][]string{}, []string{}
	}
}

func shortText(text string) string {
	if len(text) <= maxRecordText {
		return text
	}
	return text[:maxRecordText] + "…"
}

func shortTexts(texts []string) []string {
	short := make([]string, len(texts))
	for i, text := range texts {
		short[i] = shortText(text)
	}
	return short
}

func shortLists(lists map[string][]string) map[string][]string {
	short := make(map[string][]string, len(lists))
	for name, lines := range lists {
		short[name] = shortTexts(lines)
	}
	return short
}
