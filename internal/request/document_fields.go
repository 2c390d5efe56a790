package request

import (
	"slices"
	"strings"
)

// FieldSet says what of a Document is gathered; everything else is left empty.
type FieldSet struct {
	gather                []func(*Request, *Reading, *Document)
	headers, headerValues *headerFilter
}

// AllFields is all parts of a Document.
var AllFields = NewFieldSet(func(string) bool { return true }, nil, nil)

// NewFieldSet returns the parts whose paths, such as request.path, are wanted. Of
// headers and header_values it may be those of some lower-case names alone; nil
// stands for all.
func NewFieldSet(wanted func(path string) bool, headers, headerValues []string) *FieldSet {
	p := &FieldSet{headers: newHeaderFilter(headers), headerValues: newHeaderFilter(headerValues)}
	for _, part := range parts {
		if slices.ContainsFunc(strings.Fields(part.paths), wanted) {
			p.gather = append(p.gather, part.gather)
		}
	}
	if wanted("request.headers") {
		p.gather = append(p.gather, func(r *Request, _ *Reading, d *Document) { r.gatherHeaders(d, p.headers) })
	}
	if wanted("request.header_values") {
		p.gather = append(p.gather, func(r *Request, _ *Reading, d *Document) { r.gatherHeaderValues(d, p.headerValues) })
	}
	return p
}

// parts are what of a Document is gathered in one step. What costs nothing to
// leave out is gathered together.
var parts = []struct {
	paths  string
	gather func(*Request, *Reading, *Document)
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
	{"request.query request.raw_query request.query_flags", (*Request).gatherQuery},
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
	{"client.ip client.peer_ip client.trusted_proxy", func(r *Request, _ *Reading, d *Document) {
		d.Client.IP, d.Client.PeerIP, d.Client.TrustedProxy = r.meta.ClientIP, r.meta.PeerIP, r.meta.TrustedProxy
	}},
	{"client.forwarded_untrusted", func(r *Request, _ *Reading, d *Document) {
		d.Client.ForwardedUntrusted = r.ForwardedUntrusted()
	}},
	{"tls", func(r *Request, _ *Reading, d *Document) { d.TLS = r.TLS() }},
}

func (r *Request) gatherQuery(reading *Reading, d *Document) {
	query, raw, flags := r.query(cleared(d.Request.Query), reading.Query)
	d.Request.Query, d.Request.RawQuery, d.Request.QueryFlags = query, raw, flagNames(flags)
}

// FillDocument fills in an empty document's request, client and connection for one
// reading of the path, as far as they are wanted. One that was in use before and
// is Clear may be given again, which saves memory.
func (r *Request) FillDocument(d *Document, reading *Reading, p *FieldSet) {
	for _, gather := range p.gather {
		gather(r, reading, d)
	}
}

// Reset empties a document, but for room that is of use to the next one. Nothing
// may hold on to its maps.
func (d *Document) Reset() {
	headers, values, query := cleared(d.Request.Headers), cleared(d.Request.HeaderValues), cleared(d.Request.Query)
	*d = Document{}
	d.Request.Headers, d.Request.HeaderValues, d.Request.Query = headers, values, query
}

// maxReusedMap bounds the members of a map that is used again: emptying a larger one would
// cost each later request what this one did.
const maxReusedMap = 64

// cleared returns a map without its members, or nil if it is large.
func cleared[V any](m map[string]V) map[string]V {
	if len(m) > maxReusedMap {
		return nil
	}
	clear(m)
	return m
}
