package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// fetchTimeout bounds one request for keys or a discovery document.
	fetchTimeout = 5 * time.Second
	// maxDocument bounds what is read of an answer, in bytes.
	maxDocument = 1 << 20
	// maxRedirects are followed on one host.
	maxRedirects = 3
)

// How long a key set counts as fresh: what Cache-Control says (RFC 9111,
// section 5.2.2.1), within bounds.
const (
	defaultFresh = 15 * time.Minute
	minFresh     = 5 * time.Minute
	maxFresh     = 24 * time.Hour
)

// fetcher fetches documents over https, or over http from this machine.
type fetcher struct {
	client *http.Client
}

// newFetcher returns a fetcher with a client of NewClient.
func newFetcher(named ...string) *fetcher { return &fetcher{client: NewClient(named...)} }

// NewClient returns a client for asking an issuer. It keeps no cookies, follows
// redirects on one host only, and reaches addresses of private networks only on
// hosts that the operator named: named are those, as in a URL with the port if
// it has one. Each request may take five seconds.
func NewClient(named ...string) *http.Client {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSHandshakeTimeout: fetchTimeout,
		MaxIdleConns:        2,
		IdleConnTimeout:     time.Minute,
		ForceAttemptHTTP2:   true,
	}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialer := &net.Dialer{Timeout: fetchTimeout}
		if !isNamed(address, named) {
			dialer.Control = refusePrivate
		}
		return dialer.DialContext(ctx, network, address)
	}
	return &http.Client{Transport: transport, Timeout: fetchTimeout, CheckRedirect: sameHost}
}

// close lets go of idle connections.
func (f *fetcher) close() { f.client.CloseIdleConnections() }

// isNamed reports whether an address to dial is one of the hosts.
func isNamed(address string, named []string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	for _, name := range named {
		if bare, _, err := net.SplitHostPort(name); err == nil {
			name = bare
		}
		if strings.EqualFold(strings.Trim(name, "[]"), host) {
			return true
		}
	}
	return false
}

// refusePrivate keeps a document that a stranger wrote from pointing into the
// operator's own network (RFC 8725, section 3.10).
func refusePrivate(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := ap.Addr().Unmap(); ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() {
		return fmt.Errorf("%s is an address of a private network; name the URL in the configuration if that is meant", ip)
	}
	return nil
}

// sameHost follows a redirect only on the host that was asked.
func sameHost(next *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	if first := via[0].URL; next.URL.Host != first.Host || next.URL.Scheme != first.Scheme {
		return fmt.Errorf("a redirect to another host, %s, is not followed", next.URL.Host)
	}
	return nil
}

// CheckURL returns an error unless an issuer, or what it has, may be asked at a
// URL: over https, or over http on this machine.
func CheckURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not a URL such as https://id.example.com", text)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return nil, fmt.Errorf("%q: want https; http is for this machine alone", text)
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// errStatus is an answer that is not 200.
type errStatus struct{ status int }

func (e errStatus) Error() string { return "the answer's status is " + strconv.Itoa(e.status) }

// get fetches a document and says how long it is fresh.
func (f *fetcher) get(ctx context.Context, from string) (body []byte, fresh time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, 0, err
	}
	r.Header.Set("Accept", "application/json, application/jwk-set+json")
	response, err := f.client.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("%s: %w", from, errStatus{response.StatusCode})
	}
	body, err = io.ReadAll(io.LimitReader(response.Body, maxDocument+1))
	if err == nil && len(body) > maxDocument {
		err = errors.New("the answer is longer than 1 MiB")
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", from, err)
	}
	return body, freshness(response.Header.Get("Cache-Control")), nil
}

// freshness reads max-age, within bounds.
func freshness(cacheControl string) time.Duration {
	for directive := range strings.SplitSeq(cacheControl, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if seconds, err := strconv.ParseUint(value, 10, 31); strings.EqualFold(name, "max-age") && err == nil {
			return min(max(time.Duration(seconds)*time.Second, minFresh), maxFresh)
		}
	}
	return defaultFresh
}
