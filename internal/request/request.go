// Package request presents an HTTP request to policies: the public path in every way that
// servers may interpret it, headers without credentials, and a client address that cannot
// be forged. It depends on net/http but not on Caddy.
//
// Start with Request and its Readings. The path_*.go files find what is ambiguous in a path,
// body_*.go read and parse bodies within limits, header_*.go classify headers,
// document*.go build the input document, and redaction.go removes credentials.
package request

import (
	"crypto/x509"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Metadata is what Caddy knows about a request in addition to net/http's Request.
type Metadata struct {
	// ID returns the request's id. It is called only when the id is needed.
	ID func() string
	// Time is when the request arrived, or zero.
	Time time.Time
	// Method, URL and RequestURI are those of the client, before any rewrite. A nil URL
	// means that the request was not rewritten.
	Method, RequestURI string
	URL                *url.URL
	// StrippedQuery is what earlier handlers of ours took out of the query.
	StrippedQuery StrippedQuery
	// ClientIP and PeerIP are addresses without ports.
	ClientIP, PeerIP string
	// TrustedProxy reports whether the peer's forwarding headers are trustworthy.
	TrustedProxy bool
	// Writer writes the response. Its read deadlines limit the time to read the body;
	// without it, reading the body takes a goroutine.
	Writer http.ResponseWriter
}

// Config is the configuration of one site. It is read-only once in use.
type Config struct {
	// CredentialHeaders are the names, in any spelling, of headers that hold credentials, in
	// addition to Authorization, Proxy-Authorization and Cookie.
	CredentialHeaders []string
	// CredentialParameters are the names of query parameters that hold credentials.
	CredentialParameters []string
	// AllowedFlags are path flags that do not reject a request.
	AllowedFlags []Flag
	// Upgrades are the protocols to which connections may change in addition to websocket.
	// CheckUpgrade has accepted them.
	Upgrades []string
	// ClientCertificate returns the certificate of the client, nil if it has none, and
	// whether it is verified. It is nil where no method reads certificates: what the TLS
	// server has verified then counts.
	ClientCertificate func(r *http.Request, trustedProxy bool) (leaf *x509.Certificate, verified bool)

	headerIndex *headerIndex // nil means defaultHeaderIndex
}

// Request is an HTTP request as policies see it. It belongs to one goroutine.
type Request struct {
	http     *http.Request
	meta     Metadata
	config   *Config
	readings []Reading
	flags    []Flag
	buffer   readingBuffer
	// destination is the target of a WebDAV request.
	destination destination
	// foreignBearer reports whether the bearer token is for the application.
	foreignBearer bool
	upgrade       upgrade
	kinds         HeaderKinds
	path          string // escaped, before any rewrite
	// host and port are those of the Host header; port is 0 if it has none.
	host      string
	port      int
	validHost bool
	// set by ReadBody
	body          any
	envoyBody     any    // the body as opa-envoy-plugin parses it: JSON and forms
	rawBody       []byte // the body as it arrived
	bodyTruncated bool
	mcp           MCP   // set by ReadMCP
	bodyAbandoned bool  // it was not read to its end
	bodyBlocked   bool  // it keeps its connection open
	bodyMemory    int64 // bytes of arriving
}

// New returns r as policies see it. It reads the path at once, so that RejectedFlag can
// report whether policies can judge it, and everything else on demand.
func New(r *http.Request, facts Metadata, config *Config) *Request {
	req := new(Request)
	req.Init(r, facts, config)
	return req
}

// Init initializes an empty Request as New does, for callers that reuse its memory.
func (r *Request) Init(from *http.Request, facts Metadata, config *Config) {
	if facts.URL == nil {
		facts.Method, facts.URL, facts.RequestURI = from.Method, from.URL, from.RequestURI
	}
	r.http, r.meta, r.config = from, facts, config
	r.ClassifyHeaders()
	r.upgrade = parseUpgrade(from, r.kinds, config.Upgrades)
	r.destination = destination{}
	if r.kinds.Has(DestinationHeader) {
		r.destination = parseDestination(from)
	}
	r.path = escapedPath(r.meta.URL)
	r.readings, r.flags = readings(&r.meta, r.path, r.currentURL(), r.destination, &r.buffer)
	r.addMethodReadings()
	if r.HidesParameter(config.CredentialParameters) {
		r.flags = append(r.flags, FlagHiddenCredential)
	}
	if slices.ContainsFunc(r.readings, func(reading Reading) bool { return tooManyParameters(reading.Query) }) {
		r.flags = addFlag(r.flags, FlagTooLong)
	}
	if r.host, r.port, r.validHost = splitHost(from.Host); !r.validHost {
		r.flags = append(r.flags, FlagBadHost)
	}
}

// Readings returns the distinct readings of the path, the query and the method, at least
// one. A policy must allow all of them. The caller must not change them.
func (r *Request) Readings() []Reading { return r.readings }

// RejectedFlag returns the flag for which every client gets the response 400, or "" if
// policies can judge the request.
func (r *Request) RejectedFlag() Flag {
	for _, flag := range r.flags {
		if rejectedFlags[flag] && !r.config.allows(flag) {
			return flag
		}
	}
	return ""
}

// HidesParameter reports whether a handler that decodes the path again and parses it as a URL
// would find a parameter with one of the names, which therefore cannot be removed.
func (r *Request) HidesParameter(names []string) bool {
	return len(names) > 0 && slices.ContainsFunc(r.readings, func(reading Reading) bool {
		return reading.queryFromPath && RemoveParameters(reading.Query, names) != strings.TrimRight(reading.Query, "&;")
	})
}

// Unreadable reports whether the request's target has a flag that no site can allow, because
// its readings do not cover everything that an upstream may make of it.
func (r *Request) Unreadable() bool {
	return slices.ContainsFunc(r.flags, func(flag Flag) bool { return slices.Contains(unreadableFlags, flag) })
}

// URL returns the client's URL, before any rewrite.
func (r *Request) URL() *url.URL { return r.meta.URL }

// EscapedPath returns the escaped path of the client's URL, at least "/".
func (r *Request) EscapedPath() string { return r.path }

// ID returns the request's id.
func (r *Request) ID() string { return r.meta.ID() }

// Time returns when the request arrived: Metadata.Time, or else the time of the first call.
func (r *Request) Time() time.Time {
	if r.meta.Time.IsZero() {
		r.meta.Time = time.Now()
	}
	return r.meta.Time
}

// SetForeignBearer sets whether the request has a bearer token for the application, which no
// authentication method verified.
func (r *Request) SetForeignBearer(foreign bool) { r.foreignBearer = foreign }

// TrustedProxy reports whether the peer's forwarding headers are trustworthy.
func (r *Request) TrustedProxy() bool { return r.meta.TrustedProxy }

// ForwardedUntrusted reports whether an untrusted peer sent forwarding headers.
func (r *Request) ForwardedUntrusted() bool {
	return !r.meta.TrustedProxy && r.kinds.Has(ForwardingHeader)
}

// ClientAddr returns the client's address, or the zero Addr if it has none.
func (r *Request) ClientAddr() netip.Addr {
	addr, err := netip.ParseAddr(r.meta.ClientIP)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// Secure reports whether the request was safe from eavesdroppers: it came over TLS, from this
// machine, or through a trusted proxy that received it over TLS.
func (r *Request) Secure() bool {
	if r.Scheme() == "https" {
		return true
	}
	peer, err := netip.ParseAddr(r.meta.PeerIP)
	return err == nil && peer.Unmap().IsLoopback()
}

// Document returns the wanted fields of the input document for one reading.
func (r *Request) Document(reading Reading, id *authenticator.Identity, failure authenticator.Reason, config map[string]any, parts *FieldSet) Document {
	if config == nil {
		config = map[string]any{}
	}
	d := Document{Contract: Contract, Identity: id, Failure: Failure{Reason: failure}, Config: config}
	r.FillDocument(&d, &reading, parts)
	return d
}

// Fields returns the wanted fields of input.request for one reading.
func (r *Request) Fields(reading Reading, parts *FieldSet) Fields {
	var d Document
	r.FillDocument(&d, &reading, parts)
	return d.Request
}

// ClientIP returns the client's address as text, or "".
func (r *Request) ClientIP() string { return r.meta.ClientIP }

// Scheme returns the scheme as the client saw it.
func (r *Request) Scheme() string { return SchemeOf(r.http, r.meta.TrustedProxy) }

// SchemeOf returns the scheme of a request as the client saw it: a trusted proxy may have
// terminated TLS.
func SchemeOf(r *http.Request, trustedProxy bool) string {
	if r.TLS != nil {
		return "https"
	}
	if !trustedProxy {
		return "http"
	}
	if lines := r.Header["X-Forwarded-Proto"]; len(lines) == 1 && strings.EqualFold(lines[0], "https") {
		return "https"
	}
	return "http"
}

// hostPort returns the requested host and port, which defaults to that of the scheme. The
// host is "" if it is invalid, which rejects the request.
func (r *Request) hostPort() (string, int) {
	name := r.host
	if !r.validHost {
		name = ""
	}
	switch {
	case r.port != 0:
		return name, r.port
	case r.Scheme() == "https":
		return name, 443
	}
	return name, 80
}

func isGRPC(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
}

// toValidUTF8 replaces invalid UTF-8, so that every reader of a document sees the same text.
func toValidUTF8(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
