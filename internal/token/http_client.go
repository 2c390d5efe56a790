package token

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/egress"
	"github.com/policyauth/caddy-policy-auth/internal/netutil"
)

const (
	// fetchTimeout bounds one request for keys or a discovery document.
	fetchTimeout = 5 * time.Second
	// lookupTimeout limits the lookup of a name that a proxy will resolve.
	lookupTimeout = 2 * time.Second
	// maxRedirects are followed on one host.
	maxRedirects = 3
)

// ClientConfig configures NewClient.
type ClientConfig struct {
	// ConfiguredHosts are the hosts in the configuration, with or without a port.
	// Only they may be in a private network.
	ConfiguredHosts []string
	// RootCAs replace the system's root certificates; nil: the system's.
	Roots *RootCAs
	// IdleConnections is how many idle connections are kept; 0 means 2.
	IdleConnections int

	// proxy says which proxy a request goes through, and lookup which addresses a
	// name has; nil: as the environment and the system's resolver say.
	proxy  func(*http.Request) (*url.URL, error)
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// NewClient returns an HTTP client for the documents of an issuer. It keeps no
// cookies, follows redirects only on the same host, connects to private networks
// only for configured hosts, and never to link-local addresses. A request may take
// five seconds.
func NewClient(c ClientConfig) *http.Client {
	if c.proxy == nil {
		c.proxy = http.ProxyFromEnvironment
	}
	if c.lookup == nil {
		c.lookup = net.DefaultResolver.LookupNetIP
	}
	direct, proxied := newTransport(c), newTransport(c)
	direct.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		return dialer(isConfigured(address, c.ConfiguredHosts)).DialContext(ctx, network, address)
	}
	// This transport dials proxies alone, which are the operator's; what is behind
	// them was checked before. tls_ca is about the issuer, not about the proxy.
	proxied.Proxy = c.proxy
	proxied.DialContext = dialer(true).DialContext
	proxied.DialTLSContext = (&tls.Dialer{NetDialer: dialer(true)}).DialContext
	return &http.Client{Transport: &proxyRouter{direct: direct, proxied: proxied, config: c}, Timeout: fetchTimeout, CheckRedirect: sameOriginRedirect}
}

// newTransport returns a transport without a dialer.
func newTransport(c ClientConfig) *http.Transport {
	idle := cmp.Or(c.IdleConnections, 2)
	t := &http.Transport{TLSHandshakeTimeout: fetchTimeout, MaxIdleConns: idle, MaxIdleConnsPerHost: idle, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true}
	if c.Roots != nil {
		t.TLSClientConfig = &tls.Config{RootCAs: c.Roots.pool}
	}
	return t
}

// dialer returns a dialer that checks each resolved address before it connects.
func dialer(named bool) *net.Dialer {
	return egress.Guard(&net.Dialer{Timeout: fetchTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return checkAddress(at.Addr(), named)
	}})
}

// proxyRouter sends requests directly or through the proxy of the environment.
type proxyRouter struct {
	direct, proxied *http.Transport
	config          ClientConfig
}

// RoundTrip implements http.RoundTripper.
func (r *proxyRouter) RoundTrip(request *http.Request) (*http.Response, error) {
	proxy, err := r.config.proxy(request)
	if err == nil && proxy == nil {
		return r.direct.RoundTrip(request)
	}
	if err == nil {
		err = r.checkTarget(request.Context(), request.URL)
	}
	if err != nil {
		if request.Body != nil {
			_ = request.Body.Close()
		}
		return nil, err
	}
	return r.proxied.RoundTrip(request)
}

// CloseIdleConnections lets go of idle connections.
func (r *proxyRouter) CloseIdleConnections() {
	r.direct.CloseIdleConnections()
	r.proxied.CloseIdleConnections()
}

// checkTarget makes the checks of dialer for a request through a proxy. A name that
// only the proxy can resolve is subject to the proxy's rules.
func (r *proxyRouter) checkTarget(ctx context.Context, target *url.URL) error {
	host, named := target.Hostname(), isConfigured(target.Host, r.config.ConfiguredHosts)
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var addresses []netip.Addr
	if ip, err := netip.ParseAddr(host); err == nil {
		addresses = append(addresses, ip)
	} else if err := checkHostname(host, named); err != nil {
		return err
	} else {
		addresses, _ = r.config.lookup(ctx, "ip", host)
	}
	for _, ip := range addresses {
		at := net.JoinHostPort(ip.String(), cmp.Or(target.Port(), defaultPorts[target.Scheme]))
		if err := cmp.Or(checkAddress(ip, named), egress.Check(ctx, "tcp", at)); err != nil {
			return fmt.Errorf("%s: %w", host, err)
		}
	}
	return nil
}

// isConfigured reports whether a host, with or without a port, is one of the
// configured hosts.
func isConfigured(host string, named []string) bool {
	for _, name := range named {
		if strings.EqualFold(netutil.Host(name), netutil.Host(host)) {
			return true
		}
	}
	return false
}

// sameOriginRedirect follows redirects only to the host and scheme of the first
// request.
func sameOriginRedirect(next *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	if first := via[0].URL; next.URL.Host != first.Host || next.URL.Scheme != first.Scheme {
		return fmt.Errorf("a redirect to another host, %s, is not followed", next.URL.Host)
	}
	return nil
}

// CheckURL parses the URL of an issuer or of one of its documents. It must be an
// https URL, or an http URL of a loopback host.
func CheckURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not a URL such as https://id.example.com", text)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !netutil.IsLoopback(u.Hostname())) {
		return nil, fmt.Errorf("%q: want https; http is for this machine alone", text)
	}
	return u, nil
}
