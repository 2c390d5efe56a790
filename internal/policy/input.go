package policy

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisioncache"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// projection builds what a decision reads of a document straight as OPA's terms,
// without the detour over JSON, and the key of what it reads. What it does not
// read is left out, which it cannot see.
type projection struct {
	// input are the sections that are there: one of which nothing is read that it
	// has is there and empty.
	input    []part[inputSource]
	config   bool
	request  []part[request.Fields]
	client   []part[request.Client]
	tls      []part[request.TLS]
	identity []part[authenticator.Identity]
	failure  []part[request.Failure]
	// keyed are those of request that belong into a key.
	keyed []part[request.Fields]
	// parts are what of a request is gathered.
	parts *request.FieldSet
}

// inputSource is what an input is built of.
type inputSource struct {
	document *request.Document
	config   *ast.Term // the constants
	caller   *ast.Term // the identity, or nil if it is to be built
}

// project returns the projection for what a decision reads.
func project(r decisioncache.ReadSet) *projection {
	p := &projection{
		config:  r.Reads("config"),
		request: append(filter(requestParts, "request", r), bodyParts(r)...), client: filter(clientParts, "client", r), tls: filter(tlsParts, "tls", r),
		identity: filter(identityParts, "identity", r), failure: filter(failureParts, "failure", r),
		parts: request.NewFieldSet(r.Reads, r.Members("request.headers"), r.Members("request.header_values")),
	}
	p.keyed = p.request
	p.input = slices.DeleteFunc(p.sections(), func(s part[inputSource]) bool { return !r.Reads(s.label()) })
	return p
}

// sections returns all sections of the input.
func (p *projection) sections() []part[inputSource] {
	return []part[inputSource]{
		leaf("contract", func(s *inputSource) ast.Value { return ast.String(s.document.Contract) }, nil),
		section("request", p.request, func(s *inputSource) *request.Fields { return &s.document.Request }),
		section("client", p.client, func(s *inputSource) *request.Client { return &s.document.Client }),
		section("tls", p.tls, func(s *inputSource) *request.TLS { return &s.document.TLS }),
		leaf("identity", func(s *inputSource) ast.Value {
			if s.caller != nil {
				return s.caller.Value
			}
			return build(p.identity, s.document.Identity).Value
		}, nil),
		section("failure", p.failure, func(s *inputSource) *request.Failure { return &s.document.Failure }),
		leaf("config", func(s *inputSource) ast.Value { return s.config.Value }, nil),
	}
}

// filter returns the parts of a section that are read, with no more of their
// members than are read.
func filter[T any](parts []part[T], section string, r decisioncache.ReadSet) []part[T] {
	var read []part[T]
	for _, p := range parts {
		path := section + "." + p.label()
		if !r.Reads(path) {
			continue
		}
		if names := r.Members(path); names != nil && p.narrow != nil {
			p = p.narrow(names)
		}
		read = append(read, p)
	}
	return read
}

// whole builds all of a document. It equals what encoding the document as JSON
// and parsing that would give, but for a nil list, which is an empty one:
// nothing is ever missing.
var whole = project(decisioncache.ReadSet{"": true})

// term builds the input for a document, of whose caller the term may have been
// built before.
func (p *projection) term(d *request.Document, config, caller *ast.Term) *ast.Term {
	return build(p.input, &inputSource{d, config, caller})
}

// Words of which there are few are terms already: OPA allows that before main.
func init() {
	ast.InternStringTerm("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "http", "https")
}

var requestParts = []part[request.Fields]{
	text("id", func(f *request.Fields) string { return f.ID }),
	number("time_ns", func(f *request.Fields) int64 { return f.TimeNS }),
	internedText("method", func(f *request.Fields) string { return f.Method }),
	internedText("scheme", func(f *request.Fields) string { return f.Scheme }),
	text("host", func(f *request.Fields) string { return f.Host }),
	number("port", func(f *request.Fields) int64 { return int64(f.Port) }),
	text("path", func(f *request.Fields) string { return f.Path }),
	text("path_folded", func(f *request.Fields) string { return f.PathFolded }),
	texts("segments", func(f *request.Fields) []string { return f.Segments }),
	text("rewritten_path", func(f *request.Fields) string { return f.RewrittenPath }),
	text("raw_path", func(f *request.Fields) string { return f.RawPath }),
	texts("path_flags", func(f *request.Fields) []string { return f.PathFlags }),
	text("destination_path", func(f *request.Fields) string { return f.DestinationPath }),
	text("destination_host", func(f *request.Fields) string { return f.DestinationHost }),
	textsByName("query", func(f *request.Fields) map[string][]string { return f.Query }),
	text("raw_query", func(f *request.Fields) string { return f.RawQuery }),
	texts("query_flags", func(f *request.Fields) []string { return f.QueryFlags }),
	textByName("headers", func(f *request.Fields) map[string]string { return f.Headers }),
	textsByName("header_values", func(f *request.Fields) map[string][]string { return f.HeaderValues }),
	text("protocol", func(f *request.Fields) string { return f.Protocol }),
	number("content_length", func(f *request.Fields) int64 { return f.ContentLength }),
	internedText("upgrade", func(f *request.Fields) string { return f.Upgrade }),
	boolean("foreign_bearer", func(f *request.Fields) bool { return f.ForeignBearer }),
	boolean("websocket", func(f *request.Fields) bool { return f.WebSocket }),
	boolean("grpc", func(f *request.Fields) bool { return f.GRPC }),
	boolean("body_truncated", func(f *request.Fields) bool { return f.BodyTruncated }),
	section("mcp", mcpParts, func(f *request.Fields) *request.MCP { return &f.MCP }),
}

var mcpParts = []part[request.MCP]{
	text("method", func(m *request.MCP) string { return m.Method }),
	text("tool", func(m *request.MCP) string { return m.Tool }),
}

// bodyParts returns the part for the body, if it is read: a client chooses how
// large it is, so that no more of it is built than can be asked for.
func bodyParts(r decisioncache.ReadSet) []part[request.Fields] {
	if !r.Reads("request.body") {
		return nil
	}
	wanted := treeOf(r, "request.body")
	return []part[request.Fields]{leaf("body",
		func(f *request.Fields) ast.Value { return narrowTerm(f.Body, wanted).Value },
		func(key []byte, f *request.Fields) []byte { return decisioncache.AppendValue(key, f.Body) },
	)}
}

var clientParts = []part[request.Client]{
	text("ip", func(c *request.Client) string { return c.IP }),
	text("peer_ip", func(c *request.Client) string { return c.PeerIP }),
	boolean("trusted_proxy", func(c *request.Client) bool { return c.TrustedProxy }),
	boolean("forwarded_untrusted", func(c *request.Client) bool { return c.ForwardedUntrusted }),
}

var tlsParts = []part[request.TLS]{
	text("version", func(t *request.TLS) string { return t.Version }),
	text("sni", func(t *request.TLS) string { return t.SNI }),
	text("alpn", func(t *request.TLS) string { return t.ALPN }),
	section("client_certificate", certificateParts, func(t *request.TLS) *request.Certificate { return &t.ClientCertificate }),
}

var certificateParts = []part[request.Certificate]{
	boolean("verified", func(c *request.Certificate) bool { return c.Verified }),
	text("subject", func(c *request.Certificate) string { return c.Subject }),
	text("issuer", func(c *request.Certificate) string { return c.Issuer }),
	text("serial", func(c *request.Certificate) string { return c.Serial }),
	text("sha256", func(c *request.Certificate) string { return c.SHA256 }),
	number("not_after", func(c *request.Certificate) int64 { return c.NotAfter }),
	texts("dns_names", func(c *request.Certificate) []string { return c.DNSNames }),
	texts("emails", func(c *request.Certificate) []string { return c.Emails }),
	texts("uris", func(c *request.Certificate) []string { return c.URIs }),
}

var identityParts = []part[authenticator.Identity]{
	boolean("authenticated", func(i *authenticator.Identity) bool { return i.Authenticated }),
	text("kind", func(i *authenticator.Identity) string { return string(i.Kind) }),
	text("id", func(i *authenticator.Identity) string { return i.ID }),
	text("username", func(i *authenticator.Identity) string { return i.Username }),
	text("name", func(i *authenticator.Identity) string { return i.Name }),
	text("issuer", func(i *authenticator.Identity) string { return i.Issuer }),
	text("method", func(i *authenticator.Identity) string { return i.Method }),
	texts("roles", func(i *authenticator.Identity) []string { return i.Roles }),
	texts("groups", func(i *authenticator.Identity) []string { return i.Groups }),
	texts("scopes", func(i *authenticator.Identity) []string { return i.Scopes }),
	text("email", func(i *authenticator.Identity) string { return i.Email }),
	claims("claims", func(i *authenticator.Identity) map[string]any { return i.Claims }),
	text("acr", func(i *authenticator.Identity) string { return i.ACR }),
	texts("amr", func(i *authenticator.Identity) []string { return i.AMR }),
	number("auth_time", func(i *authenticator.Identity) int64 { return i.AuthTime }),
	number("expires_at", func(i *authenticator.Identity) int64 { return i.ExpiresAt }),
	text("bound", func(i *authenticator.Identity) string { return i.Bound }),
	texts("unknown", func(i *authenticator.Identity) []string { return i.Unknown }),
}

var failureParts = []part[request.Failure]{
	text("reason", func(f *request.Failure) string { return string(f.Reason) }),
}
