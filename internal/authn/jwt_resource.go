package authn

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/dpop"
)

func (j *JWT) parseResource(d *caddyfile.Dispenser) error {
	if err := caddyfileutil.String(&j.Resource)(d); err != nil {
		return err
	}
	return caddyfileutil.Block(d, "resource", caddyfileutil.Subdirectives{
		"scopes":        caddyfileutil.Strings(&j.ResourceScopes),
		"name":          caddyfileutil.String(&j.ResourceName),
		"documentation": caddyfileutil.String(&j.ResourceDocumentation),
	})
}

// checkResource reports a protected resource that cannot be described.
func (j *JWT) checkResource() error {
	switch {
	case j.Resource == "" && (len(j.ResourceScopes) > 0 || j.ResourceName != "" || j.ResourceDocumentation != ""):
		return errors.New("resource: there are scopes, a name or a documentation of no resource; write resource <url>")
	case j.Resource == "":
		return nil
	case j.Issuer == anyone:
		return errors.New("resource: its description has to name an issuer, and any is none")
	case slices.Contains(j.Audience, anyone):
		return errors.New("resource: tokens must be issued for the resource, and audience any accepts others too: remove audience any")
	}
	if err := checkScopes(j.ResourceScopes); err != nil {
		return err
	}
	if page, err := url.Parse(j.ResourceDocumentation); j.ResourceDocumentation != "" && (err != nil || page.Host == "" || page.Scheme != "https" && page.Scheme != "http") {
		return fmt.Errorf("resource: documentation %q is not a URL such as https://docs.example.com/api", j.ResourceDocumentation)
	}
	_, err := parseResource(j.Resource)
	return err
}

// checkScopes reports scopes of a resource that cannot be sent (RFC 6749, section
// 3.3) or that no resource has.
func checkScopes(scopes []string) error {
	for _, scope := range scopes {
		switch {
		case scope == "offline_access":
			return errors.New("resource: offline_access asks an issuer for a refresh token and is no scope of a resource; leave it out")
		case scope == "" || strings.ContainsFunc(scope, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '"' || c == '\\' }):
			return fmt.Errorf("resource: %q is not a scope: want printable ASCII without spaces, quotes and backslashes", scope)
		}
	}
	return nil
}

// resource returns the protected resource of the tokens and the URL of its
// description, or nil.
func (j *JWT) resource() (*metadataFields, *url.URL) {
	if j.metadata == nil {
		return nil, nil
	}
	fields := &metadataFields{
		Resource: j.Resource, AuthorizationServers: []string{j.Issuer},
		Scopes: j.ResourceScopes, Name: j.ResourceName, Documentation: j.ResourceDocumentation,
	}
	fields.CertificateBound = j.RequireCertificateBinding
	switch j.From {
	case "", "bearer":
		fields.BearerMethods = []string{"header"}
		fields.DPoPAlgorithms, fields.DPoPRequired = dpop.Algorithms(), j.RequireDPoP
	case "query":
		fields.BearerMethods = []string{"query"}
	}
	return fields, j.metadata
}
