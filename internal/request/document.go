package request

import "github.com/policyauth/caddy-policy-auth/authenticator"

// Contract names the shape of Document. It changes only if a field were ever
// to change its meaning; fields are only added.
const Contract = "caddy/v1"

// Redacted stands where a credential was: policies may ask whether a header
// was there, but never what it said.
const Redacted = "[redacted]"

// Document is what policies read as input. Every field is always present:
// empty, never missing, so that a negated condition cannot be opened by
// leaving something out.
type Document struct {
	// Contract is always "caddy/v1".
	Contract string `json:"contract"`
	// Request is the HTTP request.
	Request Fields `json:"request"`
	// Client says where the request came from.
	Client Client `json:"client"`
	// TLS describes the connection; its strings are empty over plain HTTP.
	TLS TLS `json:"tls"`
	// Identity is who is calling.
	Identity *authenticator.Identity `json:"identity"`
	// Failure says why ambient credentials were not accepted.
	Failure Failure `json:"failure"`
	// Config holds the operator's constants from the configuration.
	Config map[string]any `json:"config"`
}

// Fields are the parts of an HTTP request.
type Fields struct {
	// ID is the request's id, which is also in the logs and on the page.
	ID string `json:"id"`
	// TimeNS is when the request came, in nanoseconds since 1970.
	TimeNS int64 `json:"time_ns"`
	// Method is the request's method exactly as sent; methods are case-sensitive. One
	// that a handler of Caddy made of it before is judged as well.
	Method string `json:"method"`
	// Scheme is http or https, as the client saw it.
	Scheme string `json:"scheme"`
	// Host is lower-case, without port and without a trailing dot.
	Host string `json:"host"`
	// Port is the port the client named, or the scheme's own.
	Port int `json:"port"`
	// Path is the public path, decoded, in the reading being judged.
	Path string `json:"path"`
	// PathFolded is Path in lower case, as Caddy's own path matchers compare.
	PathFolded string `json:"path_folded"`
	// Segments is the path, split at slashes and then decoded; a trailing slash adds none.
	Segments []string `json:"segments"`
	// RewrittenPath is the path that the next handler sees, decoded.
	RewrittenPath string `json:"rewritten_path"`
	// RawPath is the public path as received, still escaped.
	RawPath string `json:"raw_path"`
	// PathFlags names what makes the path readable in more than one way.
	PathFlags []string `json:"path_flags"`
	// DestinationPath is the path of a WebDAV DestinationHeader, decoded, or "".
	DestinationPath string `json:"destination_path"`
	// DestinationHost is the host of a WebDAV DestinationHeader: the request's own if
	// the DestinationHeader names none, and "" without a DestinationHeader.
	DestinationHost string `json:"destination_host"`
	// Query holds the query's parameters, decoded.
	Query map[string][]string `json:"query"`
	// RawQuery is the query as received. One that a handler of Caddy made of it
	// before is judged as well.
	RawQuery string `json:"raw_query"`
	// QueryFlags names what makes the query readable in more than one way.
	QueryFlags []string `json:"query_flags"`
	// Headers maps lower-case names to their lines joined with ", ".
	Headers map[string]string `json:"headers"`
	// HeaderValues maps lower-case names to their lines.
	HeaderValues map[string][]string `json:"header_values"`
	// Protocol is the version of HTTP, such as HTTP/2.0.
	Protocol string `json:"protocol"`
	// ContentLength is the body's length in bytes, or -1 when unknown.
	ContentLength int64 `json:"content_length"`
	// Upgrade is the protocol, in lower case, that the next handler is asked to
	// change the connection to, such as websocket, or "". What a site does not let
	// through never stands here.
	Upgrade string `json:"upgrade"`
	// WebSocket says that Upgrade is websocket.
	WebSocket bool `json:"websocket"`
	// ForeignBearer says that the request, whose caller a session makes known, has
	// a bearer token of an application's own, which no method judged.
	ForeignBearer bool `json:"foreign_bearer"`
	// GRPC says that the request is a gRPC call.
	GRPC bool `json:"grpc"`
	// Body is the request's body, parsed if it is JSON, else as text; null if
	// there is none, or if none of it is shown.
	Body any `json:"body"`
	// BodyTruncated says that there is a body which cannot be shown as a whole.
	BodyTruncated bool `json:"body_truncated"`
}

// Client says where a request came from.
type Client struct {
	// IP is the client's address as Caddy determines it from trusted proxies.
	IP string `json:"ip"`
	// PeerIP is the address of the peer that is connected to this server.
	PeerIP string `json:"peer_ip"`
	// TrustedProxy says that the peer is a proxy that the server's configuration trusts.
	TrustedProxy bool `json:"trusted_proxy"`
	// ForwardedUntrusted says that a peer who is not trusted sent forwarding headers.
	ForwardedUntrusted bool `json:"forwarded_untrusted"`
}

// TLS describes the connection.
type TLS struct {
	// Version is 1.0 to 1.3, or "" over plain HTTP.
	Version string `json:"version"`
	// SNI is the server name that the client asked for.
	SNI string `json:"sni"`
	// ALPN is the protocol that was agreed on, such as h2.
	ALPN string `json:"alpn"`
	// ClientCertificate is the certificate that the client showed.
	ClientCertificate Certificate `json:"client_certificate"`
}

// Certificate describes a client certificate; its fields are empty without one.
type Certificate struct {
	// Verified says that a chain to a configured authority was verified.
	Verified bool `json:"verified"`
	// Subject is the subject's distinguished name (RFC 4514).
	Subject string `json:"subject"`
	// Issuer is the issuer's distinguished name (RFC 4514).
	Issuer string `json:"issuer"`
	// Serial is the serial number in decimal.
	Serial string `json:"serial"`
	// SHA256 is the certificate's thumbprint in lower-case hexadecimal.
	SHA256 string `json:"sha256"`
	// NotAfter is when the certificate expires, in seconds since 1970, or 0.
	NotAfter int64 `json:"not_after"`
	// DNSNames, Emails and URIs are the subject alternative names.
	DNSNames []string `json:"dns_names"`
	Emails   []string `json:"emails"`
	URIs     []string `json:"uris"`
}

// Failure says why presented ambient credentials were not accepted.
type Failure struct {
	// Reason is a reason code, or "".
	Reason authenticator.Reason `json:"reason"`
}
