package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

const (
	// maxRecord is how many bytes of headers, query and claims are kept of a request
	// that is recorded.
	maxRecord = 32 << 10
	// maxRecordText is how long one of their texts may be in a larger one.
	maxRecordText = 512
)

// ID names a set by its configuration: equal sets have equal ones, also after a
// restart.
func (s *Set) ID() string { return s.id }

// idOf hashes a configuration.
func idOf(config Config) string {
	encoded, _ := json.Marshal(config) // it holds nothing that JSON does not
	digest := sha256.Sum256(encoded)
	return hex.EncodeToString(digest[:6])
}

// Record returns the input document of a decision to be kept: in the reading that
// was decided upon, without credentials and without the body. Cut says that it
// was so large that long texts in it are shortened, or left out altogether.
func (s *Set) Record(in Input, d Decision) (document json.RawMessage, cut bool, err error) {
	reading := d.made.reading
	if d.made.by == nil {
		reading = in.Request.Readings()[0]
	}
	whole := in.Request.Document(reading, in.Identity, in.Failure, in.Config.values, request.Everything)
	whole.Request.Body = nil
	if cut = weigh(&whole) > maxRecord; cut {
		shorten(&whole)
	}
	if !s.config.OPAEnvoy || cut {
		document, err = json.Marshal(whole)
		return document, cut, err
	}
	envoy := in.Request.Envoy(reading, false)
	envoy["parsed_body"] = nil
	if attributes := envoyRequest(envoy); attributes != nil {
		delete(attributes, "body")
	}
	document, err = joined(whole, envoy)
	return document, cut, err
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
func (s *Set) Documents(in Input) ([]json.RawMessage, error) {
	if s.live.Load().readBody(in) != "" {
		in.Request.ReadBody(0)
	}
	var documents []json.RawMessage
	for _, reading := range in.Request.Readings() {
		whole := in.Request.Document(reading, in.Identity, in.Failure, in.Config.values, request.Everything)
		var envoy map[string]any
		if s.config.OPAEnvoy {
			envoy = in.Request.Envoy(reading, false)
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

// weigh returns about how many bytes the parts of a document have that a stranger
// chooses.
func weigh(d *request.Document) int {
	total := len(d.Request.RawPath) + len(d.Request.RawQuery) + len(d.Request.DestinationPath)
	for name, text := range d.Request.Headers {
		total += len(name) + len(text)
	}
	for _, segment := range d.Request.Segments {
		total += len(segment) + 4
	}
	return total + weighValue(d.Identity.Claims)
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
	f.Headers, f.HeaderValues, f.Query = maps.Clone(f.Headers), maps.Clone(f.HeaderValues), maps.Clone(f.Query) // they may be somebody else's
	for _, text := range []*string{&f.Path, &f.PathFolded, &f.RewrittenPath, &f.RawPath, &f.RawQuery, &f.DestinationPath} {
		*text = shortText(*text)
	}
	for name, text := range f.Headers {
		f.Headers[name] = shortText(text)
	}
	for _, lists := range []map[string][]string{f.HeaderValues, f.Query} {
		for name, lines := range lists {
			short := make([]string, len(lines))
			for i, line := range lines {
				short[i] = shortText(line)
			}
			lists[name] = short
		}
	}
	if weighValue(d.Identity.Claims) > maxRecord/2 {
		id := *d.Identity
		id.Claims, d.Identity = map[string]any{}, &id
	}
	if weigh(d) > maxRecord || len(f.Query) > 100 {
		f.Segments = f.Segments[:min(len(f.Segments), 100)]
		f.Headers, f.HeaderValues, f.Query = map[string]string{}, map[string][]string{}, map[string][]string{}
	}
}

func shortText(text string) string {
	if len(text) <= maxRecordText {
		return text
	}
	return text[:maxRecordText] + "…"
}
