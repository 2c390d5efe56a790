// Package request is an HTTP request as policies see it: one public path in
// every way it can be read, headers without credentials, and an address that
// no client can forge. It knows net/http but not Caddy.
package request

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Metadata is what the web server knows of a request beyond net/http.
type Metadata struct {
	// ID returns the request's id; it is called only when it is needed.
	ID func() string
	// Time is when the request came, or zero.
	Time time.Time
	// Method, URL and RequestURI are the request's own before any rewrite; a nil
	// URL means that nothing rewrote it.
	Method, RequestURI string
	URL                *url.URL
	// StrippedQuery is what earlier handlers of ours took out of the query.
	StrippedQuery StrippedQuery
	// ClientIP and PeerIP are textual addresses without ports.
	ClientIP, PeerIP string
	// TrustedProxy says that the peer's forwarding headers may be believed.
	TrustedProxy bool
	// Writer writes the answer; it sets deadlines for reading the body. Without it
	// reading has an end as well, at a higher price.
	Writer http.ResponseWriter
}

// Config says how one site reads its requests. It is read-only once in use.
type Config struct {
	// CredentialHeaders are the names of headers that hold credentials, beside
	// Authorization, Proxy-Authorization and Cookie, in any spelling.
	CredentialHeaders []string
	// CredentialParameters are the names of parameters of the query that hold
	// credentials.
	CredentialParameters []string
	// AllowedFlags are path flags that do not refuse a request.
	AllowedFlags []Flag
	// Upgrades are the protocols that may pass beside websocket; CheckUpgrade has
	// been passed.
	Upgrades []string

	headerIndex *headerIndex // nil for usualLookup
}

// Request is one request, ready to be judged. It belongs to one goroutine.
type Request struct {
	http     *http.Request
	meta     Metadata
	config   *Config
	readings []Reading
	flags    []Flag
	buffer   readingBuffer
	// destination is that of WebDAV.
	destination destination
	// foreignBearer says that the bearer token is the application's own.
	foreignBearer bool
	upgrade       upgrade
	kinds         HeaderKinds
	path          string // escaped, before any rewrite
	// host is what the request asks for, and port the one that it names, or 0.
	host      string
	port      int
	validHost bool
	// set by ReadBody
	body          any
	envoyBody     any    // as opa-envoy-plugin parses it: JSON and forms
	rawBody       []byte // of the body as it came
	bodyTruncated bool
	bodyAbandoned bool  // reading it was given up
	bodyBlocked   bool  // and nothing ends its connection
	bodyMemory    int64 // bytes of arriving
}

// New returns r as policies see it. It reads paths at once, so that Refused can
// tell whether they may be judged at all, and everything else on demand.
func New(r *http.Request, facts Metadata, config *Config) *Request {
	req := new(Request)
	req.Init(r, facts, config)
	return req
}

// Init makes an empty Request what New returns, without room of its own.
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
	if r.host, r.port, r.validHost = splitHost(from.Host); !r.validHost {
		r.flags = append(r.flags, FlagBadHost)
	}
}

// Readings returns each distinct way in which the path, the query and the method can
// be read, at least one. A policy must allow all of them. The caller must not change them.
func (r *Request) Readings() []Reading { return r.readings }

// RejectedFlag returns the flag for which the request must be answered with 400
// for every caller, or "" if its path may be judged.
func (r *Request) RejectedFlag() Flag {
	for _, flag := range r.flags {
		if rejectedFlags[flag] && !r.config.allows(flag) {
			return flag
		}
	}
	return ""
}

// HidesParameter reports whether a parameter of some names would come out of the path if a
// handler decodes it again and parses it as a URL, so that it cannot be removed.
func (r *Request) HidesParameter(names []string) bool {
	return len(names) > 0 && slices.ContainsFunc(r.readings, func(reading Reading) bool {
		return reading.queryFromPath && RemoveParameters(reading.Query, names) != strings.TrimRight(reading.Query, "&;")
	})
}

// Unreadable reports whether there is something about the request's target that
// no reading tells, so that it is to be refused whatever it seems to ask for.
func (r *Request) Unreadable() bool {
	return slices.ContainsFunc(r.flags, func(flag Flag) bool { return slices.Contains(unreadableFlags, flag) })
}

// URL returns what the client asked for, before any rewrite.
func (r *Request) URL() *url.URL { return r.meta.URL }

// EscapedPath returns the path that the client asked for, at least "/".
func (r *Request) EscapedPath() string { return r.path }

// ID returns the request's id.
func (r *Request) ID() string { return r.meta.ID() }

// Time returns when the request came: when that is asked for first, unless the server
// has said it.
func (r *Request) Time() time.Time {
	if r.meta.Time.IsZero() {
		r.meta.Time = time.Now()
	}
	return r.meta.Time
}

// SetForeignBearer says whether the request has a bearer token that is the
// application's own, which no method judged.
func (r *Request) SetForeignBearer(foreign bool) { r.foreignBearer = foreign }

// TrustedProxy reports whether the peer's forwarding headers may be believed.
func (r *Request) TrustedProxy() bool { return r.meta.TrustedProxy }

// ForwardedUntrusted reports whether a peer that is not trusted sent forwarding headers.
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

// Secure reports whether a credential in this request was safe from listeners:
// it came over TLS, from this machine, or through a trusted proxy that says so.
func (r *Request) Secure() bool {
	if r.Scheme() == "https" {
		return true
	}
	peer, err := netip.ParseAddr(r.meta.PeerIP)
	return err == nil && peer.Unmap().IsLoopback()
}

// Document returns what policies read for one reading of the path, as far as it
// is wanted.
func (r *Request) Document(reading Reading, id *authenticator.Identity, failure authenticator.Reason, config map[string]any, parts *FieldSet) Document {
	if config == nil {
		config = map[string]any{}
	}
	d := Document{Contract: Contract, Identity: id, Failure: Failure{Reason: failure}, Config: config}
	r.FillDocument(&d, &reading, parts)
	return d
}

// Fields returns the request's own fields for one reading of its path.
func (r *Request) Fields(reading Reading, parts *FieldSet) Fields {
	var d Document
	r.FillDocument(&d, &reading, parts)
	return d.Request
}

// ClientIP returns the client's address as text, or "".
func (r *Request) ClientIP() string { return r.meta.ClientIP }

// Scheme returns the scheme as the client saw it.
func (r *Request) Scheme() string { return SchemeOf(r.http, r.meta.TrustedProxy) }

// SchemeOf returns the scheme of a request as the client saw it: a trusted proxy
// may have ended TLS.
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

// hostPort returns the host that the client asked for and its port: the
// scheme's own where none is named. The name is "" if it has no honest reading,
// which refuses the request.
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

// toValidUTF8 replaces what is not UTF-8, so that every consumer of a document sees
// the same text.
func toValidUTF8(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
