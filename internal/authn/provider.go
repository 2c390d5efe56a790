package authn

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
)

func init() {
	caddy.RegisterModule(Provider{})
}

const (
	// providerMethod is the name of the method, and what the names of its instances begin with.
	providerMethod = "provider"
	// providerNamespace is that of the modules of Caddy's own authentication handler.
	providerNamespace = "http.authentication.providers"
)

// Provider accepts the callers that a module of Caddy's own authentication handler
// accepts. The module sees neither the body of a request nor what other methods of the
// site read.
type Provider struct {
	// The module, such as http_basic, with its own configuration. Required.
	ProviderRaw json.RawMessage `json:"provider,omitempty" caddy:"namespace=http.authentication.providers inline_key=module"`

	// Names of the module's user metadata for fields of the identity: username, name,
	// email, roles, groups and scopes. The first that is not empty counts. Roles and
	// groups are split at commas, scopes at spaces. Default: no field is set, and all
	// metadata are claims.
	Map map[string][]string `json:"map,omitempty"`

	// Browsers never send the module's credentials on their own, as they do with
	// cookies and with Basic. Default: they may, and unsafe requests of other sites are
	// denied.
	NotBrowserAttached bool `json:"not_browser_attached,omitempty"`

	ChallengeOption

	name     string // provider:<module>
	module   caddyauth.Authenticator
	withheld withheld
}

// CaddyModule returns the Caddy module information.
func (Provider) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: authenticator.Namespace + "." + providerMethod, New: func() caddy.Module { return new(Provider) }}
}

// check reports what is wrong in the options that are not the module's.
func (p *Provider) check() error {
	for field, names := range p.Map {
		if !slices.Contains(providerFields, field) {
			return fmt.Errorf("%s: map %s: %s", providerMethod, field, caddyfileutil.Unknown("field", field, slices.Clone(providerFields)))
		}
		if len(names) == 0 || slices.Contains(names, "") {
			return fmt.Errorf("%s: map %s: name the module's metadata, such as map %s %s", providerMethod, field, field, field)
		}
	}
	if err := p.ChallengeOption.check(); err != nil {
		return fmt.Errorf("%s: %w", providerMethod, err)
	}
	return nil
}

// checkProvider returns an error if no module of that name is an authentication provider.
func checkProvider(name string) error {
	var known []string
	for _, info := range caddy.GetModules(providerNamespace) {
		if info.ID.Name() != name {
			known = append(known, info.ID.Name())
			continue
		}
		if module := info.New(); !isProvider(module) {
			return fmt.Errorf("%s %s is a %T, which is not an authentication provider", providerMethod, name, module)
		}
		return nil
	}
	return errors.New(caddyfileutil.Unknown(providerMethod, name, known))
}

func isProvider(module caddy.Module) bool {
	_, ok := module.(caddyauth.Authenticator)
	return ok
}

// Provision loads the module.
func (p *Provider) Provision(ctx caddy.Context) error {
	if err := p.check(); err != nil {
		return err
	}
	var inline struct {
		Module string `json:"module"`
	}
	if err := json.Unmarshal(p.ProviderRaw, &inline); err != nil || inline.Module == "" {
		return errors.New(`provider: name the module: "provider": {"module": "http_basic", …}`)
	}
	if err := checkProvider(inline.Module); err != nil {
		return err
	}
	p.name = providerMethod + ":" + inline.Module
	loaded, err := ctx.LoadModule(p, "ProviderRaw")
	if err != nil {
		return fmt.Errorf("provider %s: %w", inline.Module, err)
	}
	p.module = loaded.(caddyauth.Authenticator)
	return nil
}

// Sources implements authenticator.Authenticator.
func (p *Provider) Sources() []authenticator.Source {
	source := authenticator.FromRequest()
	source.NotBrowserAttached = p.NotBrowserAttached
	return []authenticator.Source{source}
}

// Authenticate implements authenticator.Authenticator. What the module refuses is what
// another method may accept: it does not say whether it found a credential.
func (p *Provider) Authenticate(r *http.Request, _ authenticator.Credential) authenticator.Outcome {
	w := &heldResponse{header: make(http.Header)}
	asked := p.withheld.request(r, w)
	user, accepted, err := p.module.Authenticate(w, asked)
	if err == nil && accepted && user.ID != "" {
		return authenticator.Accept(p.identity(user))
	}
	outcome := authenticator.Outcome{Verdict: authenticator.Absent}
	if p.Challenge != off {
		outcome.Challenges = parseChallenges(w.header.Values("WWW-Authenticate"))
	}
	switch {
	case err != nil: // its text may hold a credential
		outcome.Details = []authenticator.Detail{{Name: "provider_error", Value: typesOf(err)}}
	case accepted:
		outcome.Details = []authenticator.Detail{{Name: "problem", Value: "the module accepts a caller without an id"}}
	case user.ID == "" && len(user.Metadata) == 0 && len(asked.Header["Authorization"]) == 0:
		return outcome // nothing shows that there is a credential
	}
	outcome.Reason = authenticator.ReasonCredentialsInvalid
	return outcome
}

// Challenges implements authenticator.Authenticator. The module has challenges only in
// its answer to a request, which the outcome has.
func (*Provider) Challenges(authenticator.ChallengeRequest) []authenticator.Challenge { return nil }

// maxErrorTypes bounds how many types of wrapped errors are named.
const maxErrorTypes = 8

// typesOf names the types of an error and of those that it wraps.
func typesOf(err error) string {
	var types []string
	for ; err != nil && len(types) < maxErrorTypes; err = errors.Unwrap(err) {
		types = append(types, fmt.Sprintf("%T", err))
	}
	return strings.Join(types, ": ")
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Provider)(nil)
	_ authenticator.Authenticator = (*Provider)(nil)
)
