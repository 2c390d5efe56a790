package authn

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/clientcert"
	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/placement"
	"github.com/policyauth/caddy-policy-auth/internal/pool"
)

func init() {
	caddy.RegisterModule(ClientCertificate{})
}

// ClientCertificate accepts client certificates: of the connection, or forwarded by a
// trusted proxy. The chain must lead to a trusted authority, be valid at each request,
// and be for client authentication.
type ClientCertificate struct {
	// Files of the certificates (PEM) of the authorities that may issue client
	// certificates. They are watched and replaced as one; if one becomes invalid, the last
	// good certificates stay in use. Default: the server verifies the chain, which needs
	// client_auth with the mode verify_if_given or require_and_verify and a trust pool.
	Roots []string `json:"roots,omitempty"`

	// The header in which trusted proxies forward the client's certificate (RFC 9440),
	// such as Client-Cert. Further certificates are in the header of that name with
	// -Chain. Both are removed from the requests of other peers. It needs roots. Default:
	// a request of a trusted proxy has no certificate.
	Header string `json:"header,omitempty"`

	// The parts of a certificate that can name its holder, in order of preference: san_uri,
	// san_dns, san_email, subject. Default: san_uri, san_dns, san_email.
	Identity []string `json:"identity,omitempty"`

	verifier *clientcert.Verifier
	release  func()
}

// CaddyModule returns the Caddy module information.
func (ClientCertificate) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: authenticator.Namespace + "." + clientcert.Method, New: func() caddy.Module { return new(ClientCertificate) }}
}

// UnmarshalCaddyfile sets up the method from Caddyfile tokens. Syntax:
//
//	client_certificate {
//	    roots <file>...
//	    from header <name>
//	    identity <san_uri|san_dns|san_email|subject>...
//	}
func (c *ClientCertificate) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the method's name
	if err := caddyfileutil.NoArgs(d, clientcert.Method, "roots ca.pem"); err != nil {
		return err
	}
	words := caddyfileutil.Subdirectives{"roots": caddyfileutil.Strings(&c.Roots), "from": c.parseFrom, "identity": caddyfileutil.Strings(&c.Identity)}
	return caddyfileutil.ValidatedBlock(d, clientcert.Method, words, c.check)
}

func (c *ClientCertificate) parseFrom(d *caddyfile.Dispenser) error {
	if c.Header != "" {
		return d.Err("from is set twice")
	}
	args := d.RemainingArgs()
	if len(args) != 2 || args[0] != "header" {
		return d.Err("from wants the header in which trusted proxies forward certificates: from header Client-Cert")
	}
	c.Header = args[1]
	return nil
}

// check reports what is wrong whatever the files hold.
func (c *ClientCertificate) check() error {
	err := c.checkHeader()
	if _, unknown := clientcert.NewVerifier(nil, c.Identity); err == nil {
		err = unknown
	}
	if err != nil {
		return fmt.Errorf("%s: %w", clientcert.Method, err)
	}
	return nil
}

func (c *ClientCertificate) checkHeader() error {
	switch {
	case c.Header == "":
		return nil
	case !httpguts.ValidHeaderFieldName(c.Header):
		return fmt.Errorf("from: %q is not a header's name", c.Header)
	case authenticator.FromHeader(c.Header).Check() != nil:
		return fmt.Errorf("from: %s never holds a certificate: name the header of your proxy, such as Client-Cert", c.Header)
	case len(c.Roots) == 0:
		return errors.New("from header: a forwarded certificate is verified here, which needs its authorities: add roots <file>")
	}
	return nil
}

// Provision reads the roots. Without them, or a header, it returns an error if the
// connections of the site cannot have a verified certificate.
func (c *ClientCertificate) Provision(ctx caddy.Context) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	c.Header = http.CanonicalHeaderKey(c.Header)
	if c.Header == "" {
		if err := placement.CheckClientAuth(ctx, len(c.Roots) > 0); err != nil {
			return fmt.Errorf("%s: %w", clientcert.Method, err)
		}
	}
	if len(c.Roots) == 0 {
		c.verifier, err = clientcert.NewVerifier(nil, c.Identity)
		return err
	}
	roots, release, err := rootSources.Acquire(c.Roots, func() (*rootSource, error) {
		live, err := openFiles("client certificate roots", c.Roots, parseClientRoots, nil)
		return &rootSource{live}, err
	})
	if err != nil {
		return fmt.Errorf("%s: roots: %w", clientcert.Method, err)
	}
	c.release = release
	c.verifier, err = clientcert.NewVerifier(roots.Load, c.Identity)
	return err
}

// Cleanup lets go of the roots.
func (c *ClientCertificate) Cleanup() error {
	if c.release != nil {
		c.release()
	}
	return nil
}

// Sources implements authenticator.Authenticator.
func (*ClientCertificate) Sources() []authenticator.Source { return certificateSources }

var certificateSources = []authenticator.Source{authenticator.FromCertificate()}

// Authenticate implements authenticator.Authenticator. A certificate that is not accepted
// may be what another method accepts.
func (c *ClientCertificate) Authenticate(r *http.Request, _ authenticator.Credential) authenticator.Outcome {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	caller := c.caller(r, trusted)
	switch {
	case caller == nil:
		return authenticator.Outcome{Verdict: authenticator.Absent}
	case caller.Identity != nil:
		return authenticator.Accept(caller.Identity)
	}
	outcome := authenticator.Reject(authenticator.ReasonCredentialsInvalid, authenticator.Detail{Name: "certificate", Value: caller.Err.Error()})
	outcome.Verdict = authenticator.Unclaimed
	return outcome
}

// caller returns who a request comes from by its certificate, or nil if it has none. The
// certificate of a trusted proxy's connection is never the caller's (S-20).
func (c *ClientCertificate) caller(r *http.Request, trustedProxy bool) *clientcert.Caller {
	if !trustedProxy {
		return c.verifier.Connection(r.TLS, time.Now())
	}
	if c.Header == "" {
		return nil
	}
	return c.verifier.Forwarded(r.Header[c.Header], r.Header[clientcert.ChainHeader(c.Header)], time.Now())
}

// Challenges implements authenticator.Authenticator. No challenge of HTTP asks for a
// certificate.
func (*ClientCertificate) Challenges(authenticator.ChallengeRequest) []authenticator.Challenge {
	return nil
}

// rootSources holds the roots in use, shared between sites.
var rootSources = pool.New[*rootSource]()

// rootSource is a set of watched roots.
type rootSource struct {
	*files.Watched[clientcert.Roots]
}

func parseClientRoots(tree files.Tree) (*clientcert.Roots, error) { return clientcert.NewRoots(tree) }

// Interface guards.
var (
	_ caddy.Provisioner           = (*ClientCertificate)(nil)
	_ caddy.CleanerUpper          = (*ClientCertificate)(nil)
	_ caddyfile.Unmarshaler       = (*ClientCertificate)(nil)
	_ authenticator.Authenticator = (*ClientCertificate)(nil)
)
