package request

import (
	"slices"
	"strings"
)

// FieldSet is the set of fields of a Document that FillDocument fills in.
type FieldSet struct {
	fill                  []func(*Request, *Reading, *Document)
	headers, headerValues *headerFilter
}

// AllFields has every field of a Document.
var AllFields = NewFieldSet(func(string) bool { return true }, nil, nil)

// NewFieldSet returns the fields whose paths, such as request.path, are wanted. headers and
// headerValues limit request.headers and request.header_values to those lower-case names;
// nil means all headers.
func NewFieldSet(wanted func(path string) bool, headers, headerValues []string) *FieldSet {
	p := &FieldSet{headers: newHeaderFilter(headers), headerValues: newHeaderFilter(headerValues)}
	for _, part := range documentFields {
		if slices.ContainsFunc(strings.Fields(part.paths), wanted) {
			p.fill = append(p.fill, part.fill)
		}
	}
	if wanted("request.headers") {
		p.fill = append(p.fill, func(r *Request, _ *Reading, d *Document) { r.fillHeaders(d, p.headers) })
	}
	if wanted("request.header_values") {
		p.fill = append(p.fill, func(r *Request, _ *Reading, d *Document) { r.fillHeaderValues(d, p.headerValues) })
	}
	return p
}

// documentFields are the groups of fields that are filled in together, because leaving a
// single one out saves nothing.
var documentFields = []struct {
	paths string
	fill  func(*Request, *Reading, *Document)
}{
	{"request.id", func(r *Request, _ *Reading, d *Document) { d.Request.ID = r.meta.ID() }},
	{"request.time_ns", func(r *Request, _ *Reading, d *Document) { d.Request.TimeNS = r.Time().UnixNano() }},
	{"request.method", func(_ *Request, reading *Reading, d *Document) { d.Request.Method = reading.Method }},
	{"request.scheme", func(r *Request, _ *Reading, d *Document) { d.Request.Scheme = r.Scheme() }},
	{"request.host request.port", func(r *Request, _ *Reading, d *Document) { d.Request.Host, d.Request.Port = r.hostPort() }},
	{"request.path request.segments request.destination_path", func(_ *Request, reading *Reading, d *Document) {
		d.Request.Path, d.Request.Segments, d.Request.DestinationPath = reading.Path, reading.Segments, reading.Destination
	}},
	{"request.destination_host", func(r *Request, _ *Reading, d *Document) { d.Request.DestinationHost = r.DestinationHost() }},
	{"request.path_folded", func(_ *Request, reading *Reading, d *Document) { d.Request.PathFolded = strings.ToLower(reading.Path) }},
	{"request.rewritten_path", func(_ *Request, reading *Reading, d *Document) { d.Request.RewrittenPath = reading.Rewritten }},
	{"request.raw_path", func(r *Request, _ *Reading, d *Document) {
		d.Request.RawPath = toValidUTF8(r.meta.URL.EscapedPath())
	}},
	{"request.path_flags", func(r *Request, _ *Reading, d *Document) { d.Request.PathFlags = flagNames(r.flags) }},
	{"request.query request.raw_query request.query_flags", (*Request).fillQuery},
	{"request.protocol request.content_length", func(r *Request, _ *Reading, d *Document) {
		d.Request.Protocol, d.Request.ContentLength = r.protocol(), r.http.ContentLength
	}},
	{"request.upgrade request.websocket", func(r *Request, _ *Reading, d *Document) {
		d.Request.Upgrade, d.Request.WebSocket = strings.ToLower(r.upgrade.token), r.upgrade.token == webSocket
	}},
	{"request.foreign_bearer", func(r *Request, _ *Reading, d *Document) { d.Request.ForeignBearer = r.foreignBearer }},
	{"request.grpc", func(r *Request, _ *Reading, d *Document) { d.Request.GRPC = isGRPC(r.http) }},
	{"request.body request.body_truncated", func(r *Request, _ *Reading, d *Document) {
		d.Request.Body, d.Request.BodyTruncated = r.body, r.bodyTruncated
	}},
	{"request.mcp", func(r *Request, _ *Reading, d *Document) { d.Request.MCP = r.mcp }},
	{"client.ip client.peer_ip client.trusted_proxy", func(r *Request, _ *Reading, d *Document) {
		d.Client.IP, d.Client.PeerIP, d.Client.TrustedProxy = r.meta.ClientIP, r.meta.PeerIP, r.meta.TrustedProxy
	}},
	{"client.forwarded_untrusted", func(r *Request, _ *Reading, d *Document) {
		d.Client.ForwardedUntrusted = r.ForwardedUntrusted()
	}},
	{"tls", func(r *Request, _ *Reading, d *Document) { d.TLS = r.TLS() }},
}

func (r *Request) fillQuery(reading *Reading, d *Document) {
	query, raw, flags := r.query(cleared(d.Request.Query), reading.Query)
	d.Request.Query, d.Request.RawQuery, d.Request.QueryFlags = query, raw, flagNames(flags)
}

// FillDocument fills in the wanted fields of an empty document's request, client and tls for
// one reading. A document may be used again after Reset, which saves allocations.
func (r *Request) FillDocument(d *Document, reading *Reading, p *FieldSet) {
	for _, fill := range p.fill {
		fill(r, reading, d)
	}
}

// Reset empties a document and keeps its maps for the next request. The caller must not
// keep references to them.
func (d *Document) Reset() {
	headers, values, query := cleared(d.Request.Headers), cleared(d.Request.HeaderValues), cleared(d.Request.Query)
	*d = Document{}
	d.Request.Headers, d.Request.HeaderValues, d.Request.Query = headers, values, query
}

// maxReusedMap is the maximum size of a map that is used again: clearing a map costs as
// much as its largest use.
const maxReusedMap = 64

// cleared returns an empty map for reuse, or nil if it has grown too large.
func cleared[V any](m map[string]V) map[string]V {
	if len(m) > maxReusedMap {
		return nil
	}
	clear(m)
	return m
}
