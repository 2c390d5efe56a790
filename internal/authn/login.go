package authn

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/login"
)

func init() {
	caddy.RegisterModule(LoginURL{})
}

// LoginNamespace is where ways to sign in are registered as Caddy modules.
const LoginNamespace = "http.policy_auth.logins"

// Login is a module by which people sign in on a site's own pages.
type Login interface {
	// Method returns the provisioned way to sign in.
	Method() login.Method
}

// LoadLogins loads the ways to sign in of a module's raw field, in the order
// written. It returns nil if there are none.
func LoadLogins(ctx caddy.Context, module any, field string) (*login.Target, error) {
	loaded, err := ctx.LoadModule(module, field)
	if err != nil {
		return nil, fmt.Errorf("loading logins: %w", err)
	}
	modules, _ := loaded.([]any)
	if len(modules) == 0 {
		return nil, nil
	}
	if url, ok := modules[0].(*LoginURL); ok && len(modules) == 1 {
		return &login.Target{External: url.page}, nil
	}
	site, names := new(login.Site), map[string]bool{}
	for i, m := range modules {
		way, ok := m.(Login)
		if !ok {
			return nil, errAlone
		}
		method := way.Method()
		if names[method.Name()] {
			return nil, fmt.Errorf("login %d: there is another login called %s", i, method.Name())
		}
		names[method.Name()] = true
		site.Methods = append(site.Methods, method)
	}
	return &login.Target{Site: site}, nil
}

// CheckLogins reports logins that cannot stand beside each other, as far as that
// shows without loading them.
func CheckLogins(raw []json.RawMessage) error {
	count, names := map[string]int{}, map[string]bool{}
	for _, module := range raw {
		var login struct {
			Method string `json:"method"`
			Name   string `json:"name"`
		}
		if err := json.Unmarshal(module, &login); err != nil {
			return fmt.Errorf("login: %w", err)
		}
		count[login.Method]++
		name := cmp.Or(login.Name, login.Method)
		if names[name] && login.Method == "oidc" {
			return fmt.Errorf("login oidc: there is another login called %s; give this one a name of its own", name)
		}
		names[name] = true
	}
	switch {
	case count["url"] > 0 && len(raw) > 1:
		return errAlone
	case count["form"] > 1:
		return errors.New("login form is set twice")
	}
	return nil
}

// errAlone is why an external sign-in page is not one of several.
var errAlone = errors.New("login url leads to an external sign-in page and stands alone: remove it or the other logins")

// LoginURL sends people to an external sign-in page.
type LoginURL struct {
	// An https or http URL, or a path on this site. {return_to} in it becomes the URL
	// to come back to; without it, there is a warning. Required.
	URL string `json:"url"`

	page *login.ExternalPage
}

// CaddyModule returns the Caddy module information.
func (LoginURL) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: LoginNamespace + ".url", New: func() caddy.Module { return new(LoginURL) }}
}

// UnmarshalCaddyfile sets up the login from Caddyfile tokens. Syntax:
//
//	login url <template>
func (l *LoginURL) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the kind of login
	args := d.RemainingArgs()
	if len(args) != 1 || args[0] == "" {
		return d.Errf("login url wants one URL, not %d, such as login url https://login.example.com/?rd={return_to}", len(args))
	}
	l.URL = args[0]
	if err := caddyfileutil.NoBlock(d, "login url"); err != nil {
		return err
	}
	if err := l.parse(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (l *LoginURL) parse() (err error) {
	if l.page, err = login.ParseExternalPage(l.URL); err != nil {
		return fmt.Errorf("login url: %w", err)
	}
	return nil
}

// Provision reads the template.
func (l *LoginURL) Provision(ctx caddy.Context) error {
	if err := l.parse(); err != nil {
		return err
	}
	if !l.page.HasReturnTo() {
		ctx.Logger().Warn("login url has no {return_to}: after signing in, users do not return to the page that they requested", zap.String("url", l.URL))
	}
	return nil
}

// Interface guards.
var (
	_ caddy.Provisioner     = (*LoginURL)(nil)
	_ caddyfile.Unmarshaler = (*LoginURL)(nil)
)
