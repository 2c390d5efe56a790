package request

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"slices"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Capture holds what is needed to build the Document of a request, in one reading and
// without the body, after the request has ended. It refers only to immutable strings and
// contains no credential.
type Capture struct {
	reading            Reading  // without Segments if the path is plain
	meta               Metadata // without references to the server
	config             *Config
	flags              []Flag
	destination        destination
	upgrade            upgrade
	kinds              HeaderKinds
	foreign, truncated bool
	mcp                MCP // of limited size

	id, path, rawPath string
	host, proto       string
	protoMajor        int
	length            int64
	lines             []headerLine
	tls               bool
	tlsVersion        uint16
	sni, alpn         string
}

// headerLine is one line of a header.
type headerLine struct{ name, text string }

// headerLineCost approximates the memory of a line in addition to its text, in bytes.
const headerLineCost = 32

// Take captures the request and reports whether it could: the strings that it refers to
// must fit in maxBytes, and the request must have neither a client certificate nor a
// credential in its query. It copies no text.
func (c *Capture) Take(r *Request, reading *Reading, maxBytes int) bool {
	state := r.http.TLS
	if !r.fitsIn(reading, maxBytes) || state != nil && len(state.PeerCertificates) > 0 {
		return false
	}
	if leaf, _ := r.clientCertificate(); leaf != nil {
		return false
	}
	if reading.Query != "" && len(r.config.CredentialParameters) > 0 {
		if _, raw, _ := r.query(nil, reading.Query); raw == Redacted {
			return false
		}
	}
	f, from := &r.meta, r.http
	*c = Capture{
		reading: *reading, meta: Metadata{Time: r.Time(), ClientIP: f.ClientIP, PeerIP: f.PeerIP, TrustedProxy: f.TrustedProxy},
		config: r.config, flags: r.flags, destination: r.destination, upgrade: r.upgrade, kinds: r.kinds, foreign: r.foreignBearer, truncated: r.bodyTruncated, mcp: r.mcp,
		id: r.ID(), path: f.URL.Path, rawPath: f.URL.RawPath,
		host: from.Host, proto: from.Proto, protoMajor: from.ProtoMajor, length: from.ContentLength, tls: state != nil,
	}
	if c.tls {
		c.tlsVersion, c.sni, c.alpn = state.Version, state.ServerName, state.NegotiatedProtocol
	}
	if c.reading.Segments = nil; !isPlain(reading.Path) {
		c.reading.Segments = slices.Clone(reading.Segments) // they may be in the request's buffer
	}
	c.takeHeaders(from.Header)
	return true
}

// fitsIn reports whether the strings that a Capture refers to fit in maxBytes.
func (r *Request) fitsIn(reading *Reading, maxBytes int) bool {
	left := maxBytes - len(r.meta.RequestURI) - len(r.http.Host) - len(reading.Query) - len(reading.Destination)
	if r.http.RequestURI != r.meta.RequestURI {
		left -= len(r.http.RequestURI)
	}
	if !isPlain(reading.Path) { // it is not part of RequestURI
		left -= len(reading.Path) + len(reading.Segments)*headerLineCost
	}
	if reading.Rewritten != reading.Path {
		left -= len(reading.Rewritten)
	}
	if state := r.http.TLS; state != nil {
		left -= len(state.ServerName)
	}
	for name, lines := range r.http.Header {
		for _, text := range lines {
			left -= len(name) + len(text) + headerLineCost
		}
		if len(lines) == 0 || left < 0 {
			return false // a header without a line does not come from a client
		}
	}
	return left >= 0
}

func (c *Capture) takeHeaders(h http.Header) {
	count := 0
	for _, lines := range h {
		count += len(lines)
	}
	c.lines = make([]headerLine, 0, count)
	for name, lines := range h {
		credential := c.config.isCredential(FoldHeaderName(name))
		for _, text := range lines {
			if credential {
				text = Redacted
			}
			c.lines = append(c.lines, headerLine{name, text})
		}
	}
}

// Document returns the input document of the request, without the body.
func (c *Capture) Document(id *authenticator.Identity, failure authenticator.Reason, config map[string]any) Document {
	header := make(http.Header, len(c.lines))
	for _, line := range c.lines {
		header[line.name] = append(header[line.name], line.text)
	}
	r := Request{
		http: &http.Request{Host: c.host, Proto: c.proto, ProtoMajor: c.protoMajor, ContentLength: c.length, Header: header},
		meta: c.meta, config: c.config, flags: c.flags, destination: c.destination, upgrade: c.upgrade, kinds: c.kinds, foreignBearer: c.foreign, bodyTruncated: c.truncated, mcp: c.mcp,
	}
	if c.tls {
		r.http.TLS = &tls.ConnectionState{Version: c.tlsVersion, ServerName: c.sni, NegotiatedProtocol: c.alpn}
	}
	r.meta.ID = func() string { return c.id }
	r.meta.URL = &url.URL{Path: c.path, RawPath: c.rawPath}
	r.host, r.port, r.validHost = splitHost(c.host)
	r.path = escapedPath(r.meta.URL)
	reading := c.reading
	if reading.Segments == nil {
		reading.Segments = parsePath(reading.Path).Segments // as for every plain path
	}
	return r.Document(reading, id, failure, config, AllFields)
}
