package settings

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/identityjwt"
	"github.com/policyauth/caddy-policy-auth/internal/placement"
)

// IdentityJWT tells the upstream who is calling by a signed JWT. Its keys are in Caddy's
// storage and published at /.policy_auth/jwks.
type IdentityJWT struct {
	// The claim aud: a name of the upstream, which no other site of the configuration
	// may have. Placeholders are replaced. Required.
	Audience string `json:"audience"`

	// The claim iss: the origin of the site, such as https://app.example.com.
	// Placeholders are replaced. Default: the origin of the site's address, if it has
	// one host and listens on the port 443; otherwise it is required.
	Issuer string `json:"issuer,omitempty"`

	// The header for the JWT. It is removed from every request of the site first, in
	// every spelling. Default: X-Identity-JWT.
	Header string `json:"header,omitempty"`

	// How long a JWT is valid, from 10s to 1h. It never outlives the caller's
	// credential or session. Default: 60s.
	Lifetime caddy.Duration `json:"lifetime,omitempty"`
}

// audiences are those of all sites.
var audiences identityjwt.Audiences

// Parse parses
//
//	identity_jwt {
//	    audience <audience>
//	    issuer   <origin>
//	    header   <name>
//	    lifetime <duration>
//	}
func (j *IdentityJWT) Parse(d *caddyfile.Dispenser) error {
	if err := caddyfileutil.NoArgs(d, "identity_jwt", "audience https://wiki.internal"); err != nil {
		return err
	}
	return caddyfileutil.ValidatedBlock(d, "identity_jwt", caddyfileutil.Subdirectives{
		"audience": caddyfileutil.String(&j.Audience),
		"issuer":   caddyfileutil.String(&j.Issuer),
		"header":   caddyfileutil.String(&j.Header),
		"lifetime": caddyfileutil.Duration(&j.Lifetime),
	}, j.check)
}

// check reports what is wrong whatever the placeholders are.
func (j *IdentityJWT) check() error {
	issuer := j.Issuer
	if strings.Contains(issuer, "{") {
		issuer = ""
	}
	err := cmp.Or(
		caddyfileutil.CheckFilePlaceholder(j.Audience), caddyfileutil.CheckFilePlaceholder(j.Issuer),
		identityjwt.Check(issuer, j.Audience, time.Duration(j.Lifetime)), identityjwt.CheckHeader(j.HeaderName()),
	)
	if err != nil {
		return fmt.Errorf("identity_jwt: %w", err)
	}
	return nil
}

// HeaderName returns the header for the JWT; "" without identity_jwt.
func (j *IdentityJWT) HeaderName() string {
	if j == nil {
		return ""
	}
	return cmp.Or(j.Header, identityjwt.DefaultHeader)
}

// Open returns what issues the JWTs of the site whose handler is being provisioned; nil
// without identity_jwt. The storage is neither read nor written before the first use.
func (j *IdentityJWT) Open(ctx caddy.Context) (*identityjwt.Issuer, func(), error) {
	if j == nil {
		return nil, func() {}, nil
	}
	issuer, release, err := j.open(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("identity_jwt: %w", err)
	}
	return issuer, release, nil
}

func (j *IdentityJWT) open(ctx caddy.Context) (*identityjwt.Issuer, func(), error) {
	origin, hosts := placement.Origin(ctx)
	repl := caddy.NewReplacer()
	config := identityjwt.Config{Storage: ctx.Storage(), Lifetime: time.Duration(j.Lifetime), Issuer: origin, Report: reportKeys}
	var err error
	if config.Audience, err = repl.ReplaceOrErr(j.Audience, true, true); err != nil {
		return nil, nil, fmt.Errorf("audience: %w", err)
	}
	if j.Issuer != "" {
		if config.Issuer, err = repl.ReplaceOrErr(j.Issuer, true, true); err != nil {
			return nil, nil, fmt.Errorf("issuer: %w", err)
		}
	}
	if config.Issuer == "" {
		return nil, nil, errors.New("issuer: cannot be derived, because this site does not have exactly one host name and only port 443; set it, such as issuer https://app.example.com:8443")
	}
	issuer, err := identityjwt.New(config)
	if err != nil {
		return nil, nil, err
	}
	site := config.Issuer
	if slices.Sort(hosts); len(hosts) > 0 {
		site += " on " + strings.Join(hosts, " ")
	}
	release, err := audiences.Claim(ctx.GetMetricsRegistry(), config.Audience, site) // one for each configuration
	return issuer, release, err
}

// reportKeys logs a problem of the keys.
func reportKeys(err error) {
	caddy.Log().Named("http.handlers.policy_auth").Error("reading or rotating the identity_jwt signing keys failed", zap.Error(err))
}
