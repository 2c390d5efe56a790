package authn

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/pool"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

func init() {
	caddy.RegisterModule(LoginOIDC{})
}

// LoginOIDC signs people in at an OpenID provider, by the authorization code flow
// with PKCE. The provider is asked at the first sign-in: it may be a site
// of this very server, and one that is down stops nothing else.
type LoginOIDC struct {
	// The URL of the provider, exactly as it names itself. Required.
	Issuer string `json:"issuer,omitempty"`

	// The URL of the provider's metadata, if this server reaches the provider at
	// another address than browsers do; https. The metadata must name Issuer, and its
	// endpoints are used as they are. Default: derived from Issuer.
	DiscoveryURL string `json:"discovery_url,omitempty"`

	// A file of root certificates in PEM that replace those of the system for requests
	// to the provider: metadata, keys, tokens and userinfo. It is read when the
	// configuration loads; if it is missing, empty or contains anything else, that is
	// an error. Default: those of the system.
	TLSCA string `json:"tls_ca,omitempty"`

	// The name of the login: in /.policy_auth/callback/<name>, which is registered at
	// the provider, in the login of a policy's decision, and on the page where users
	// choose. 1 to 32 of a-z, 0-9, _ and -. Default: oidc.
	Name string `json:"name,omitempty"`

	// The client ID of this site at the provider. Placeholders are replaced. Required.
	ClientID string `json:"client_id,omitempty"`

	// The client secret. Placeholders are replaced; an empty or unknown one is an
	// error. Default: none, for a public client.
	ClientSecret string `json:"client_secret,omitempty"`

	// How the client authenticates at the provider: "basic" in a header, "post" in the
	// body, "private_key_jwt" by a signed assertion (RFC 7523) whose audience is the
	// issuer. Default: basic, or post if the provider supports post but not basic.
	ClientAuthMethod string `json:"client_auth_method,omitempty"`

	// A file with the private key in PEM (PKCS #8, PKCS #1 or SEC 1) for
	// private_key_jwt: RSA of at least 2048 bits, EC on P-256, P-384 or P-521, or
	// Ed25519. It is read when the configuration loads; if it is missing, encrypted or
	// contains anything else, that is an error. Default: none.
	ClientKey string `json:"client_key,omitempty"`

	// More parameters for each authorization request, such as audience. Placeholders
	// are replaced when the configuration loads; placeholders of a request and
	// parameters of the protocol are errors. Only resource may have several values.
	// Default: none.
	Parameters map[string][]string `json:"parameters,omitempty"`

	// The requested scopes; openid is always added. Default: openid profile email.
	Scopes []string `json:"scopes,omitempty"`
	// Audiences that ID tokens may have besides client_id. An ID token whose azp is
	// client_id may have any. Default: none.
	Audience []string `json:"audience,omitempty"`

	// The prompt parameter of authorization requests: none, or some of login, consent
	// and select_account. Default: the provider decides.
	Prompt []string `json:"prompt,omitempty"`

	// The claims for identity fields, as in jwt, from the ID token and userinfo.
	// Default: the claims of these names.
	Map map[string][]string `json:"map,omitempty"`

	// "provider" also signs users out at the provider, if it has an endpoint for that;
	// "local" does not. Default: provider.
	Logout string `json:"logout,omitempty"`

	// "on" requests userinfo, if there is an endpoint, for claims that the ID token
	// lacks; "off" does not. Default: on.
	Userinfo string `json:"userinfo,omitempty"`

	method   *login.OIDC
	releases []func()
}

// defaultOIDC is LoginOIDC.Name where none is set.
const defaultOIDC = "oidc"

// providers are the providers in use, shared between sites and across reloads.
var providers = pool.New[*oidc.Provider]()

// CaddyModule returns the Caddy module information.
func (LoginOIDC) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: LoginNamespace + ".oidc", New: func() caddy.Module { return new(LoginOIDC) }}
}

// UnmarshalCaddyfile sets up the login from Caddyfile tokens. Syntax:
//
//	login oidc <issuer> {
//	    discovery_url <url>
//	    tls_ca <file>
//	    name <name>
//	    client_id <id>
//	    client_secret <secret>
//	    client_auth_method basic|post|private_key_jwt
//	    client_key <file>
//	    parameters {
//	        <name> <value>
//	    }
//	    scopes <scope>...
//	    audience <audience>...
//	    prompt none | login|consent|select_account...
//	    map <field> <source>...
//	    logout provider|local
//	    userinfo on|off
//	}
func (l *LoginOIDC) UnmarshalCaddyfile(d *caddyfile.Dispenser) (err error) {
	d.Next() // the kind of login
	if l.Issuer, err = caddyfileutil.OneArg(d); err != nil {
		return d.Err("login oidc wants the provider's issuer, such as login oidc https://id.example.com")
	}
	return caddyfileutil.ValidatedBlock(d, "login oidc", caddyfileutil.Subdirectives{
		"discovery_url":      caddyfileutil.String(&l.DiscoveryURL),
		"tls_ca":             caddyfileutil.String(&l.TLSCA),
		"name":               caddyfileutil.String(&l.Name),
		"client_id":          caddyfileutil.String(&l.ClientID),
		"client_secret":      caddyfileutil.String(&l.ClientSecret),
		"client_auth_method": caddyfileutil.Enum(&l.ClientAuthMethod, oidc.AuthMethods...),
		"client_key":         parseClientKey(&l.ClientKey),
		"parameters":         parseParameters(&l.Parameters),
		"scopes":             caddyfileutil.Strings(&l.Scopes),
		"audience":           caddyfileutil.Strings(&l.Audience),
		"prompt":             caddyfileutil.Strings(&l.Prompt),
		"map":                parseMap(&l.Map),
		"logout":             caddyfileutil.Enum(&l.Logout, logouts...),
		"userinfo":           caddyfileutil.Enum(&l.Userinfo, switches...),
	}, l.check)
}

// The values of Logout and Userinfo.
var (
	logouts  = []string{"provider", "local"}
	switches = []string{"on", "off"}
)

// isName is what a login may be called.
var isName = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)

// check reports what is wrong whatever the secret is. It does not use the network.
func (l *LoginOIDC) check() error {
	err := l.checkWords()
	if err == nil {
		config := l.config()
		config.Keys = placeholderKeys(false)
		var provider *oidc.Provider
		if config.ClientKey, err = readClientKey(l.ClientKey); err == nil {
			provider, err = oidc.New(config)
		}
		if err == nil {
			return provider.Close()
		}
	}
	return fmt.Errorf("login oidc: %w", err)
}

func (l *LoginOIDC) checkWords() error {
	switch {
	case l.Name != "" && !isName.MatchString(l.Name):
		return fmt.Errorf("name: %q is not 1 to 32 of a-z, 0-9, _ and -", l.Name)
	case slices.Contains(l.Audience, anyone), slices.Contains(l.Audience, "*"):
		return errors.New("audience: any and * are not accepted here: name each audience that ID tokens may have beside client_id")
	case l.Logout != "" && !slices.Contains(logouts, l.Logout):
		return errors.New(caddyfileutil.Unknown("value of logout", l.Logout, slices.Clone(logouts)))
	case l.Userinfo != "" && !slices.Contains(switches, l.Userinfo):
		return errors.New(caddyfileutil.Unknown("value of userinfo", l.Userinfo, slices.Clone(switches)))
	}
	return cmp.Or(checkFiles("client_id", l.ClientID, "client_secret", l.ClientSecret), checkIssuer(l.Issuer))
}

// config returns how the provider is asked, without the keys.
func (l *LoginOIDC) config() oidc.Config {
	return oidc.Config{
		Issuer: l.Issuer, DiscoveryURL: l.DiscoveryURL, ClientID: l.ClientID, ClientSecret: l.ClientSecret,
		AuthMethod: l.ClientAuthMethod, Parameters: l.Parameters, Scopes: l.Scopes, ExtraAudiences: l.Audience, Prompt: l.Prompt, Map: l.Map, NoUserinfo: l.Userinfo == "off",
		SkippedClaims: logForeign("login oidc", l.Issuer),
		Report: func(err error) {
			caddy.Log().Named("http.handlers.policy_auth").Warn("identity provider problem", zap.String("issuer", l.Issuer), zap.Error(err))
		},
	}
}

// Provision takes the provider and its keys; it does not use the network.
func (l *LoginOIDC) Provision(ctx caddy.Context) error {
	if err := l.check(); err != nil {
		return err
	}
	config, err := l.resolved()
	if err != nil {
		return fmt.Errorf("login oidc %s: %w", l.Issuer, err)
	}
	keys, release, err := acquireRemote(token.RemoteKeySetConfig{
		Issuer: l.Issuer, DiscoveryURL: l.DiscoveryURL, OpenID: true, Roots: config.Roots, Client: "client " + config.ClientID,
	}, ctx.Storage())
	if err != nil {
		return fmt.Errorf("login oidc %s: %w", l.Issuer, err)
	}
	l.releases = append(l.releases, release)
	config.Keys = keys
	name := []any{l.Issuer, l.DiscoveryURL, config.Roots.Digest(), config.ClientID, config.ClientSecret, config.AuthMethod, config.ClientKey.Digest(), config.Parameters, l.Scopes, l.Audience, l.Prompt, l.Map, config.NoUserinfo}
	provider, release, err := providers.Acquire(name, func() (*oidc.Provider, error) { return oidc.New(config) })
	if err != nil {
		return fmt.Errorf("login oidc %s: %w", l.Issuer, err)
	}
	l.releases = append(l.releases, release)
	l.method = &login.OIDC{
		MethodName: l.Name, DisplayName: l.label(), ClientID: config.ClientID, Provider: provider,
		LocalLogout: l.Logout == "local", OpenRegistration: isShared(l.Issuer),
	}
	if l.Name == "" {
		l.method.MethodName = defaultOIDC
	}
	return nil
}

// resolved returns config with its placeholders replaced and its files read.
func (l *LoginOIDC) resolved() (config oidc.Config, err error) {
	config = l.config()
	if config.Roots, err = readRoots(l.TLSCA); err != nil {
		return config, err
	}
	if config.ClientKey, err = readClientKey(l.ClientKey); err != nil {
		return config, err
	}
	repl := caddy.NewReplacer()
	if config.Parameters, err = replaceParameters(l.Parameters, repl); err != nil {
		return config, err
	}
	for _, field := range []struct {
		name  string
		value *string
	}{{"client_id", &config.ClientID}, {"client_secret", &config.ClientSecret}} {
		if *field.value == "" {
			continue // a public client has no secret
		}
		value, err := repl.ReplaceOrErr(*field.value, true, true)
		if err != nil {
			return config, fmt.Errorf("%s: %w", field.name, err)
		}
		*field.value = value
	}
	return config, nil
}

// label returns what people choose the login by: its name, or the provider's host.
func (l *LoginOIDC) label() string {
	if l.Name != "" {
		return strings.ToUpper(l.Name[:1]) + strings.ReplaceAll(l.Name[1:], "_", " ")
	}
	u, err := url.Parse(l.Issuer)
	if err != nil {
		return l.Issuer
	}
	return u.Hostname()
}

// Cleanup lets go of the provider and its keys.
func (l *LoginOIDC) Cleanup() error {
	for _, release := range slices.Backward(l.releases) {
		release()
	}
	l.releases = nil
	return nil
}

// Method implements Login.
func (l *LoginOIDC) Method() login.Method { return l.method }

// Interface guards.
var (
	_ caddy.Provisioner     = (*LoginOIDC)(nil)
	_ caddy.CleanerUpper    = (*LoginOIDC)(nil)
	_ caddyfile.Unmarshaler = (*LoginOIDC)(nil)
	_ Login                 = (*LoginOIDC)(nil)
)
