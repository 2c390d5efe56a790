package authn

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/netutil"
)

// metadataPath is where a protected resource describes itself; the path of its
// identifier follows (RFC 9728, section 3).
const metadataPath = "/.well-known/oauth-protected-resource"

// metadataFields is the description of a protected resource (RFC 9728, section
// 2). What is not known is left out (section 3.2).
type metadataFields struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	Scopes               []string `json:"scopes_supported,omitempty"`
	Name                 string   `json:"resource_name,omitempty"`
	Documentation        string   `json:"resource_documentation,omitempty"`
	CertificateBound     bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	DPoPAlgorithms       []string `json:"dpop_signing_alg_values_supported,omitempty"`
	DPoPRequired         bool     `json:"dpop_bound_access_tokens_required,omitempty"`
}

// metadata are a site's protected resources.
type metadata struct {
	documents map[string][]byte // by the path of the description
	resources []protectedResource
}

// parseResource checks the identifier of a protected resource (RFC 9728, section
// 1.2) and returns the URL of its description, which is made of it alone: what a
// request says about hosts is not trusted (R-PRM-6).
func parseResource(identifier string) (*url.URL, error) {
	u, err := url.Parse(identifier)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, fmt.Errorf("resource: %q is not a URL such as https://api.example.com", identifier)
	case u.Scheme != "https" && (u.Scheme != "http" || !netutil.IsLoopback(u.Hostname())):
		return nil, fmt.Errorf("resource: %s is not an https URL", identifier)
	case u.User != nil || u.Fragment != "" || u.RawQuery != "" || u.ForceQuery || strings.HasSuffix(identifier, "#"):
		return nil, fmt.Errorf("resource: %s has a user, a query or a fragment", identifier)
	}
	described := *u
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	if path != "" {
		path = u.EscapedPath() // only the slash that ends the host goes (section 3.1)
	}
	described.RawPath = metadataPath + path
	if described.Path, err = url.PathUnescape(described.RawPath); err != nil {
		return nil, fmt.Errorf("resource: %w", err)
	}
	return &described, nil
}

// newMetadata describes the protected resources of a site. Methods for the same
// one share a document; two cannot have the same place.
func newMetadata(methods []Method) (metadata, error) {
	merged := map[string]*metadataFields{}
	for _, method := range methods {
		from, ok := method.Authenticator.(*JWT)
		if !ok {
			continue
		}
		fields, at := from.resource()
		if fields == nil {
			continue
		}
		into := merged[at.EscapedPath()]
		if into == nil {
			into = &metadataFields{Resource: fields.Resource, BearerMethods: []string{}, DPoPRequired: true}
			merged[at.EscapedPath()] = into
		}
		if into.Resource != fields.Resource {
			return metadata{}, fmt.Errorf("resource: %s and %s would be described at the same path of this site", into.Resource, fields.Resource)
		}
		into.AuthorizationServers = union(into.AuthorizationServers, fields.AuthorizationServers)
		into.BearerMethods = union(into.BearerMethods, fields.BearerMethods)
		into.Scopes = union(into.Scopes, fields.Scopes)
		into.DPoPAlgorithms = union(into.DPoPAlgorithms, fields.DPoPAlgorithms)
		into.DPoPRequired = into.DPoPRequired && fields.DPoPRequired // of every token
		into.CertificateBound = into.CertificateBound || fields.CertificateBound
		into.Name, into.Documentation = cmp.Or(into.Name, fields.Name), cmp.Or(into.Documentation, fields.Documentation)
	}
	return encode(merged), nil
}

func encode(resources map[string]*metadataFields) metadata {
	m := metadata{documents: map[string][]byte{}}
	for path, fields := range resources {
		m.documents[path], _ = json.Marshal(fields) // strings always can be
		m.resources = append(m.resources, newProtectedResource(fields.Resource))
	}
	return m
}

func union(a, b []string) []string {
	for _, item := range b {
		if !slices.Contains(a, item) {
			a = append(a, item)
		}
	}
	return a
}

// serve answers a request for a description, which is public: no credential is
// looked at, and scripts of every origin may read it (RFC 9728, section 3). It
// is false for requests for anything else.
func (m metadata) serve(w http.ResponseWriter, r *http.Request, path string, id func() string) bool {
	rest, ours := strings.CutPrefix(path, metadataPath)
	if len(m.documents) == 0 || !ours || rest != "" && rest[0] != '/' {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	document, known := m.documents[path]
	switch {
	case r.Method == http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "*")
		w.WriteHeader(http.StatusNoContent)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Request-Id", id())
		w.WriteHeader(http.StatusMethodNotAllowed)
	case !known:
		h.Set("Cache-Control", "no-store")
		h.Set("X-Request-Id", id())
		w.WriteHeader(http.StatusNotFound)
	default:
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "public, max-age=3600")
		h.Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(document)
	}
	return true
}
