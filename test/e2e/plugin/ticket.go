package badge

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
)

func init() {
	caddy.RegisterModule(Ticket{})
}

// Ticket is a provider of Caddy's own authentication handler, as plugins have them. It
// accepts the cookie "ticket=<name>" with one of some names. Its answers have what such
// modules write: a status, headers, a cookie and a body.
type Ticket struct {
	// The names that are accepted. Required.
	Names []string `json:"names,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Ticket) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.authentication.providers.ticket", New: func() caddy.Module { return new(Ticket) }}
}

// UnmarshalCaddyfile sets up the provider from Caddyfile tokens. Syntax:
//
//	ticket {
//	    names <name>...
//	}
func (k *Ticket) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the provider's name
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		if d.Val() != "names" {
			return d.Errf("unknown option %q of ticket, want names", d.Val())
		}
		if k.Names = append(k.Names, d.RemainingArgs()...); len(k.Names) == 0 {
			return d.ArgErr()
		}
	}
	return nil
}

// Validate returns an error if no name is accepted.
func (k *Ticket) Validate() error {
	if len(k.Names) == 0 {
		return errors.New("ticket: names is required")
	}
	return nil
}

// Authenticate implements caddyauth.Authenticator. The user's metadata have what the
// module gets of the request.
func (k *Ticket) Authenticate(w http.ResponseWriter, r *http.Request) (caddyauth.User, bool, error) {
	w.Header().Set("Set-Cookie", "ticket=stolen; Path=/")
	w.Header().Set("X-Ticket", "seen")
	w.Header().Set("Location", "https://evil.example/")
	ticket, err := r.Cookie("ticket")
	if err != nil || !slices.Contains(k.Names, ticket.Value) {
		w.Header().Set("WWW-Authenticate", `Ticket realm="gate"`)
		w.WriteHeader(http.StatusFound)
		_, _ = w.Write([]byte("go and buy a ticket"))
		return caddyauth.User{}, false, nil
	}
	return caddyauth.User{ID: ticket.Value, Metadata: map[string]string{
		"team":    "red, blue",
		"cookies": strings.Join(r.Header["Cookie"], "; "),
		"key":     r.Header.Get("X-Api-Key"),
	}}, true, nil
}

// Interface guards.
var (
	_ caddyfile.Unmarshaler   = (*Ticket)(nil)
	_ caddy.Validator         = (*Ticket)(nil)
	_ caddyauth.Authenticator = (*Ticket)(nil)
)
