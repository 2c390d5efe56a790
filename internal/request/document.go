package request

import "github.com/policyauth/caddy-policy-auth/authenticator"

// Contract is the version of the input document. Fields may be added to a version; it
// changes only if the meaning of a field changes.
const Contract = "caddy/v1"

// Redacted replaces the value of a credential: policies can test whether a header is
// present, but cannot read its value.
const Redacted = "[redacted]"

// Document is the input document of policies. Every field is always present, and empty
// rather than missing, so that a client cannot satisfy a negated condition by leaving
// something out.
type Document struct {
	// Contract is always "caddy/v1".
	Contract string `json:"contract"`
	// Request is the HTTP request.
	Request Fields `json:"request"`
	// Client says where the request came from.
	Client Client `json:"client"`
	// TLS describes the connection; its strings are empty over plain HTTP.
	TLS TLS `json:"tls"`
	// Identity is the caller.
	Identity *authenticator.Identity `json:"identity"`
	// Failure is the reason why ambient credentials were not accepted.
	Failure Failure `json:"failure"`
	// Config holds the operator's constants from the configuration.
	Config map[string]any `json:"config"`
}

// Fields are the parts of an HTTP request.
type Fields struct {
	// ID is the request's id, which is also in the logs and on the page.
	ID string `json:"id"`
	// TimeNS is when the request arrived, in nanoseconds since 1970.
	TimeNS int64 `json:"time_ns"`
	// Method is the client's method, exactly as sent; methods are case-sensitive. If another
	// handler has changed it, policies judge the changed method as well.
	Method string `json:"method"`
	// Scheme is http or https, as the client saw it.
	Scheme string `json:"scheme"`
	// Host is lower-case, without port and without a trailing dot.
	Host string `json:"host"`
	// Port is the port in the Host header, or the scheme's default.
	Port int `json:"port"`
	// Path is the public path, decoded, in the current reading.
	Path string `json:"path"`
	// PathFolded is Path in lower case, as Caddy's own path matchers compare.
	PathFolded string `json:"path_folded"`
	// Segments is the path, split at slashes and then decoded; a trailing slash adds none.
	Segments []string `json:"segments"`
	// RewrittenPath is the path that the next handler sees, decoded.
	RewrittenPath string `json:"rewritten_path"`
	// RawPath is the public path as received, escaped.
	RawPath string `json:"raw_path"`
	// PathFlags has the code of each feature that makes the path ambiguous.
	PathFlags []string `json:"path_flags"`
	// DestinationPath is the path of a WebDAV Destination, decoded, or "".
	DestinationPath string `json:"destination_path"`
	// DestinationHost is the host of a WebDAV Destination: the request's own if
	// the Destination names none, and "" without a Destination.
	DestinationHost string `json:"destination_host"`
	// Query holds the query's parameters, decoded.
	Query map[string][]string `json:"query"`
	// RawQuery is the query as received. If another handler has changed it, policies judge
	// the changed query as well.
	RawQuery string `json:"raw_query"`
	// QueryFlags has the code of each feature that makes the query ambiguous.
	QueryFlags []string `json:"query_flags"`
	// Headers maps lower-case names to their lines joined with ", ".
	Headers map[string]string `json:"headers"`
	// HeaderValues maps lower-case names to their lines.
	HeaderValues map[string][]string `json:"header_values"`
	// Protocol is the version of HTTP, such as HTTP/2.0.
	Protocol string `json:"protocol"`
	// ContentLength is the body's length in bytes, or -1 when unknown.
	ContentLength int64 `json:"content_length"`
	// Upgrade is the protocol, in lower case, to which the next handler may change the
	// connection, such as websocket, or "". It is a protocol that the site allows.
	Upgrade string `json:"upgrade"`
	// WebSocket says that Upgrade is websocket.
	WebSocket bool `json:"websocket"`
	// ForeignBearer says that the request, which a session authenticates, has a bearer token
	// for the application, which no method verified.
	ForeignBearer bool `json:"foreign_bearer"`
	// GRPC says that the request is a gRPC call.
	GRPC bool `json:"grpc"`
	// Body is the request's body: the parsed value of JSON, or else text. It is null if there
	// is none or if it cannot be shown.
	Body any `json:"body"`
	// BodyTruncated says that the body cannot be shown as a whole.
	BodyTruncated bool `json:"body_truncated"`
	// MCP is the message of the Model Context Protocol that the body consists of. It is empty
	// unless the decision reads it, and for requests without a body.
	MCP MCP `json:"mcp"`
}

// MCP is a message of the Model Context Protocol, with one JSON-RPC request or notification.
type MCP struct {
	// Method is its JSON-RPC method, such as tools/call, or "" for a response.
	Method string `json:"method"`
	// Tool is the name of the tool that tools/call calls, or "".
	Tool string `json:"tool"`
}

// Client is the origin of a request.
type Client struct {
	// IP is the client's address, as Caddy determines it from trusted_proxies.
	IP string `json:"ip"`
	// PeerIP is the address of the peer of the connection.
	PeerIP string `json:"peer_ip"`
	// TrustedProxy says that the peer is in trusted_proxies.
	TrustedProxy bool `json:"trusted_proxy"`
	// ForwardedUntrusted says that a peer outside trusted_proxies sent forwarding headers.
	ForwardedUntrusted bool `json:"forwarded_untrusted"`
}

// TLS describes the connection.
type TLS struct {
	// Version is 1.0 to 1.3, or "" over plain HTTP.
	Version string `json:"version"`
	// SNI is the server name that the client requested.
	SNI string `json:"sni"`
	// ALPN is the negotiated protocol, such as h2.
	ALPN string `json:"alpn"`
	// ClientCertificate is the client's certificate.
	ClientCertificate Certificate `json:"client_certificate"`
}

// Certificate describes a client certificate; its fields are empty without one.
type Certificate struct {
	// Verified says that a chain to a configured authority was verified and is valid now.
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

// Failure is the reason why ambient credentials, such as cookies and client certificates,
// were not accepted.
type Failure struct {
	// Reason is a reason code, or "".
	Reason authenticator.Reason `json:"reason"`
}
