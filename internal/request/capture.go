package request

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"slices"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Capture is what the Document of a request shows in one reading, but for the body, for
// when the request is over. It refers only to texts that nothing changes, and has no
// credential.
type Capture struct {
	reading            Reading  // without the segments of a plain path
	facts              Metadata // without what belongs to the server
	config             *Config
	flags              []Flag
	destination        destination
	upgrade            upgrade
	kinds              HeaderKinds
	foreign, truncated bool

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

// headerLineCost is about what a line costs beside its texts, in bytes.
const headerLineCost = 32

// Take keeps the request if it is simple, and reports whether it is: what is kept
// holds on to at most so many bytes, no client certificate is shown, and the query has
// no credential. It copies no text.
func (k *Capture) Take(r *Request, reading *Reading, most int) bool {
	state := r.http.TLS
	if !r.fitsIn(reading, most) || state != nil && len(state.PeerCertificates) > 0 {
		return false
	}
	if reading.Query != "" && len(r.config.CredentialParameters) > 0 {
		if _, raw, _ := r.query(nil, reading.Query); raw == Redacted {
			return false
		}
	}
	f, from := &r.meta, r.http
	*k = Capture{
		reading: *reading, facts: Metadata{Time: r.Time(), ClientIP: f.ClientIP, PeerIP: f.PeerIP, TrustedProxy: f.TrustedProxy},
		config: r.config, flags: r.flags, destination: r.destination, upgrade: r.upgrade, kinds: r.kinds, foreign: r.foreignBearer, truncated: r.bodyTruncated,
		id: r.ID(), path: f.URL.Path, rawPath: f.URL.RawPath,
		host: from.Host, proto: from.Proto, protoMajor: from.ProtoMajor, length: from.ContentLength, tls: state != nil,
	}
	if k.tls {
		k.tlsVersion, k.sni, k.alpn = state.Version, state.ServerName, state.NegotiatedProtocol
	}
	if k.reading.Segments = nil; !isPlain(reading.Path) {
		k.reading.Segments = slices.Clone(reading.Segments) // they may be in the room of the request
	}
	k.takeHeaders(from.Header)
	return true
}

// fitsIn reports whether the texts that would be kept, and those that they are part
// of, have at most so many bytes.
func (r *Request) fitsIn(reading *Reading, most int) bool {
	left := most - len(r.meta.RequestURI) - len(r.http.Host) - len(reading.Query) - len(reading.Destination)
	if r.http.RequestURI != r.meta.RequestURI {
		left -= len(r.http.RequestURI)
	}
	if !isPlain(reading.Path) { // it is no part of what came
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
			return false // no client sends a header without a line
		}
	}
	return left >= 0
}

func (k *Capture) takeHeaders(h http.Header) {
	count := 0
	for _, lines := range h {
		count += len(lines)
	}
	k.lines = make([]headerLine, 0, count)
	for name, lines := range h {
		credential := k.config.isCredential(FoldHeaderName(name))
		for _, text := range lines {
			if credential {
				text = Redacted
			}
			k.lines = append(k.lines, headerLine{name, text})
		}
	}
}

// Document returns what policies read of the request, without the body.
func (k *Capture) Document(id *authenticator.Identity, failure authenticator.Reason, config map[string]any) Document {
	header := make(http.Header, len(k.lines))
	for _, line := range k.lines {
		header[line.name] = append(header[line.name], line.text)
	}
	r := Request{
		http: &http.Request{Host: k.host, Proto: k.proto, ProtoMajor: k.protoMajor, ContentLength: k.length, Header: header},
		meta: k.facts, config: k.config, flags: k.flags, destination: k.destination, upgrade: k.upgrade, kinds: k.kinds, foreignBearer: k.foreign, bodyTruncated: k.truncated,
	}
	if k.tls {
		r.http.TLS = &tls.ConnectionState{Version: k.tlsVersion, ServerName: k.sni, NegotiatedProtocol: k.alpn}
	}
	r.meta.ID = func() string { return k.id }
	r.meta.URL = &url.URL{Path: k.path, RawPath: k.rawPath}
	r.host, r.port, r.validHost = splitHost(k.host)
	r.path = escapedPath(r.meta.URL)
	reading := k.reading
	if reading.Segments == nil {
		reading.Segments = parsePath(reading.Path).Segments // a plain path has no others
	}
	return r.Document(reading, id, failure, config, AllFields)
}
