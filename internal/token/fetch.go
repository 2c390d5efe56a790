package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxDocument is the maximum size of a response, in bytes.
const maxDocument = 1 << 20

// How long a key set counts as fresh: what Cache-Control says (RFC 9111,
// section 5.2.2.1), within bounds.
const (
	defaultFreshness = 15 * time.Minute
	minFreshness     = 5 * time.Minute
	maxFreshness     = 24 * time.Hour
)

// fetcher fetches an issuer's documents.
type fetcher struct {
	client *http.Client
	origin string // the origin that bearer is sent to
	bearer func() (string, error)
}

// newFetcher returns a fetcher for a valid configuration. It sends the credential
// only to the origin of the first configured URL.
func newFetcher(config RemoteKeySetConfig) *fetcher {
	f := &fetcher{bearer: config.Bearer}
	var named []string
	for _, text := range []string{config.URL, config.DiscoveryURL, config.Issuer} {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			continue
		}
		if named = append(named, u.Host); f.origin == "" {
			f.origin = Origin(u)
		}
	}
	f.client = NewClient(ClientConfig{ConfiguredHosts: named, Roots: config.Roots})
	f.client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		next.Header.Del("Authorization") // it is only for the configured URL
		return sameOriginRedirect(next, via)
	}
	return f
}

// defaultPorts are the ports of URLs without one.
var defaultPorts = map[string]string{"https": "443", "http": "80"}

// Origin returns the scheme, host and port of a URL.
func Origin(u *url.URL) string {
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), cmp.Or(u.Port(), defaultPorts[u.Scheme]))
}

// close closes idle connections.
func (f *fetcher) close() { f.client.CloseIdleConnections() }

// authorize adds the credential, which is read each time, to requests to its
// origin.
func (f *fetcher) authorize(r *http.Request) error {
	if f.bearer == nil || Origin(r.URL) != f.origin {
		return nil
	}
	credential, err := f.bearer()
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+credential)
	return nil
}

// errStatus is the error of a response whose status is not 200.
type errStatus struct {
	status int
	bearer bool // whether a credential was sent
}

func (e errStatus) Error() string {
	text := "the answer's status is " + strconv.Itoa(e.status)
	if e.status != http.StatusUnauthorized && e.status != http.StatusForbidden {
		return text
	}
	if e.bearer {
		return text + ": the credential of jwks_bearer is not accepted"
	}
	return text + ": no credential was sent; if it wants one, see jwks_bearer"
}

// get fetches a document and returns how long it is fresh.
func (f *fetcher) get(ctx context.Context, from string) (body []byte, fresh time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, 0, err
	}
	r.Header.Set("Accept", "application/json, application/jwk-set+json")
	if err := f.authorize(r); err != nil {
		return nil, 0, err
	}
	response, err := f.client.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("%s: %w", from, errStatus{response.StatusCode, r.Header.Get("Authorization") != ""})
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

// freshness returns the max-age of a Cache-Control header, within minFreshness and
// maxFreshness.
func freshness(cacheControl string) time.Duration {
	for directive := range strings.SplitSeq(cacheControl, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if seconds, err := strconv.ParseUint(value, 10, 31); strings.EqualFold(name, "max-age") && err == nil {
			return min(max(time.Duration(seconds)*time.Second, minFreshness), maxFreshness)
		}
	}
	return defaultFreshness
}
