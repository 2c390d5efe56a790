package settings

import (
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/me"
)

// Me shows the caller to scripts of the site's pages, as JSON at /.policy_auth/me.
type Me struct {
	// The fields that are shown, in this order: acr, amr, auth_time, email, expires_at,
	// groups, id, issuer, kind, method, name, roles, scopes, username and
	// claims.<path>. Default: id username name email roles groups expires_at.
	Fields []string `json:"fields,omitempty"`
}

// Parse parses
//
//	me {
//	    fields <field>...
//	}
func (m *Me) Parse(d *caddyfile.Dispenser) error {
	if err := caddyfileutil.NoArgs(d, "me", "fields id username"); err != nil {
		return err
	}
	return caddyfileutil.ValidatedBlock(d, "me", caddyfileutil.Subdirectives{
		"fields": caddyfileutil.Strings(&m.Fields),
	}, func() error {
		_, err := m.Page()
		return err
	})
}

// Page returns the page that shows the caller; nil without me.
func (m *Me) Page() (*me.Page, error) {
	if m == nil {
		return nil, nil
	}
	page, err := me.New(m.Fields)
	if err != nil {
		return nil, fmt.Errorf("me: %w", err)
	}
	return page, nil
}
