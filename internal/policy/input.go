package policy

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// member is one member of an object under construction.
type member = [2]*ast.Term

// documentTerm builds a document straight as OPA's terms, one function a
// section. It equals what encoding the document as JSON and parsing that would
// give, without the detour.
func documentTerm(d *request.Document, config *ast.Term) ast.Value {
	return ast.NewObject(
		member{ast.InternedTerm("contract"), ast.StringTerm(d.Contract)},
		member{ast.InternedTerm("request"), fieldsTerm(&d.Request)},
		member{ast.InternedTerm("client"), clientTerm(&d.Client)},
		member{ast.InternedTerm("tls"), tlsTerm(&d.TLS)},
		member{ast.InternedTerm("identity"), identityTerm(d.Identity)},
		member{ast.InternedTerm("failure"), ast.ObjectTerm(text("reason", string(d.Failure.Reason)))},
		member{ast.InternedTerm("config"), config},
	)
}

func fieldsTerm(f *request.Fields) *ast.Term {
	return ast.ObjectTerm(
		text("id", f.ID), number("time_ns", f.TimeNS), text("method", f.Method), text("scheme", f.Scheme),
		text("host", f.Host), number("port", int64(f.Port)), text("path", f.Path), text("path_folded", f.PathFolded),
		list("segments", f.Segments), text("rewritten_path", f.RewrittenPath), text("raw_path", f.RawPath),
		list("path_flags", f.PathFlags), text("destination_path", f.DestinationPath), lists("query", f.Query),
		text("raw_query", f.RawQuery), list("query_flags", f.QueryFlags), texts("headers", f.Headers),
		lists("header_values", f.HeaderValues), text("protocol", f.Protocol), number("content_length", f.ContentLength),
		boolean("websocket", f.WebSocket), boolean("grpc", f.GRPC),
		member{ast.InternedTerm("body"), valueTerm(f.Body)}, boolean("body_truncated", f.BodyTruncated),
	)
}

func clientTerm(c *request.Client) *ast.Term {
	return ast.ObjectTerm(
		text("ip", c.IP), text("peer_ip", c.PeerIP),
		boolean("trusted_proxy", c.TrustedProxy), boolean("forwarded_untrusted", c.ForwardedUntrusted),
	)
}

func tlsTerm(t *request.TLS) *ast.Term {
	c := &t.ClientCertificate
	return ast.ObjectTerm(
		text("version", t.Version), text("sni", t.SNI), text("alpn", t.ALPN),
		member{ast.InternedTerm("client_certificate"), ast.ObjectTerm(
			boolean("verified", c.Verified), text("subject", c.Subject), text("issuer", c.Issuer), text("serial", c.Serial),
			text("sha256", c.SHA256), number("not_after", c.NotAfter), list("dns_names", c.DNSNames),
			list("emails", c.Emails), list("uris", c.URIs),
		)},
	)
}

func identityTerm(i *identity.Identity) *ast.Term {
	return ast.ObjectTerm(
		boolean("authenticated", i.Authenticated), text("kind", string(i.Kind)), text("id", i.ID), text("username", i.Username),
		text("name", i.Name), text("issuer", i.Issuer), text("method", i.Method), list("roles", i.Roles), list("groups", i.Groups),
		list("scopes", i.Scopes), text("email", i.Email), member{ast.InternedTerm("claims"), valueTerm(i.Claims)},
		text("acr", i.ACR), list("amr", i.AMR), number("auth_time", i.AuthTime), number("expires_at", i.ExpiresAt), text("bound", i.Bound),
	)
}

func text(name, value string) member { return member{ast.InternedTerm(name), ast.StringTerm(value)} }

func boolean(name string, value bool) member {
	return member{ast.InternedTerm(name), ast.InternedTerm(value)}
}

func number(name string, value int64) member {
	return member{ast.InternedTerm(name), ast.NumberTerm(json.Number(strconv.FormatInt(value, 10)))}
}

func list(name string, values []string) member {
	return member{ast.InternedTerm(name), listTerm(values)}
}

func listTerm(values []string) *ast.Term {
	terms := make([]*ast.Term, len(values))
	for i, value := range values {
		terms[i] = ast.StringTerm(value)
	}
	return ast.ArrayTerm(terms...)
}

func texts(name string, values map[string]string) member {
	members := make([]member, 0, len(values))
	for key, value := range values {
		members = append(members, member{ast.StringTerm(key), ast.StringTerm(value)})
	}
	return member{ast.InternedTerm(name), ast.ObjectTerm(members...)}
}

func lists(name string, values map[string][]string) member {
	members := make([]member, 0, len(values))
	for key, value := range values {
		members = append(members, member{ast.StringTerm(key), listTerm(value)})
	}
	return member{ast.InternedTerm(name), ast.ObjectTerm(members...)}
}

// valueTerm builds decoded JSON, whose numbers are json.Number or, in an
// operator's constants, Go's own. What cannot be JSON becomes null.
func valueTerm(value any) *ast.Term {
	switch v := value.(type) {
	case string:
		return ast.StringTerm(v)
	case bool:
		return ast.InternedTerm(v)
	case json.Number:
		return ast.NumberTerm(v)
	case map[string]any:
		members := make([]member, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			members = append(members, member{ast.StringTerm(name), valueTerm(v[name])})
		}
		return ast.ObjectTerm(members...)
	case []any:
		terms := make([]*ast.Term, len(v))
		for i, item := range v {
			terms[i] = valueTerm(item)
		}
		return ast.ArrayTerm(terms...)
	case nil:
		return ast.NullTerm()
	}
	converted, err := ast.InterfaceToValue(value)
	if err != nil {
		return ast.NullTerm()
	}
	return ast.NewTerm(converted)
}
