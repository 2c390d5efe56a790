package explain

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// documentationIP is an address for examples (RFC 5737), which no network uses.
const documentationIP = "192.0.2.1"

// input returns the request that is described, and what policies are asked.
func (d Description) input() (*http.Request, policy.Input, error) {
	r, err := d.request()
	if err != nil {
		return nil, policy.Input{}, err
	}
	caller, err := ParseIdentity(d.Identity)
	if err != nil {
		return nil, policy.Input{}, err
	}
	ip := d.ClientIP
	if ip == "" {
		ip = documentationIP
	}
	if _, err := netip.ParseAddr(ip); err != nil {
		return nil, policy.Input{}, errors.New("client_ip: want an address without a port")
	}
	if r.URL.Scheme == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, ServerName: r.URL.Hostname(), HandshakeComplete: true}
	}
	facts := request.Metadata{ID: func() string { return "" }, Time: time.Now(), ClientIP: ip, PeerIP: ip}
	reading := &request.Config{CredentialHeaders: []string{"X-API-Key"}, CredentialParameters: []string{"access_token"}}
	return r, policy.Input{Request: request.New(r, facts, reading), Identity: caller, Config: policy.NewConstants(d.Config), Body: request.DefaultBodyLimits}, nil
}
