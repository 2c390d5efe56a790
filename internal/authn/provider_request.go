package authn

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/sharelink"
)

// withheld is what a module does not get of a request: our cookies, and what other
// methods of the site read (S-27).
type withheld struct {
	schemes    []string
	headers    []string // as request.FoldHeaderName has them
	cookies    []string
	parameters []string
	// certificate: another method reads the client's certificate.
	certificate bool
	// lone: app passwords are withheld, and what else is in their sources is not.
	lone *loneSources
}

// ownVars is what the names of our request variables begin with.
const ownVars = "policy_auth"

// withholdFromProviders tells each provider what other methods read.
func (c *Chain) withholdFromProviders() {
	for i := range c.methods {
		p, ok := c.methods[i].Authenticator.(*Provider)
		if !ok {
			continue
		}
		p.withheld = withheld{certificate: c.certificates}
		p.withheld.cookies = c.Cookies()
		for _, name := range c.CertificateHeaders() {
			p.withheld.headers = append(p.withheld.headers, request.FoldHeaderName(name))
		}
		p.withheld.lone = c.lone
		for _, source := range c.sources {
			if c.lone == nil || !slices.Contains(c.lone.sources, source) {
				p.withheld.add(source)
			}
		}
	}
}

func (h *withheld) add(source authenticator.Source) {
	switch {
	case source.Scheme != "":
		h.schemes = append(h.schemes, source.Scheme)
	case source.Header != "":
		h.headers = append(h.headers, request.FoldHeaderName(source.Header))
	case source.Query != "":
		h.parameters = append(h.parameters, source.Query)
	}
	if proof := source.ProofHeader(); proof != "" {
		h.headers = append(h.headers, request.FoldHeaderName(proof))
	}
}

// Cookies returns the names of all cookies that hold credentials, and of our own of any site,
// also as they are named over plain HTTP.
func (c *Chain) Cookies() []string {
	names := slices.Concat(login.ReservedCookieNames(), sharelink.CookieNames())
	for _, source := range c.sources {
		if source.Cookie != "" {
			names = append(names, source.Cookie)
		}
	}
	var spelled []string
	for _, name := range names {
		plain := strings.TrimPrefix(strings.TrimPrefix(name, "__Host-"), "__Secure-")
		spelled = append(spelled, name, plain, "__Host-"+plain, "__Secure-"+plain)
	}
	slices.Sort(spelled)
	return slices.Compact(spelled)
}

// request returns the request that a module gets: a copy without a body and without what
// is withheld, also in the placeholders. Its variables are a copy too.
func (h *withheld) request(r *http.Request, w http.ResponseWriter) *http.Request {
	vars, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	c := r.Clone(r.Context())
	c.Body, c.GetBody, c.ContentLength = http.NoBody, nil, 0
	c.TransferEncoding, c.Trailer = nil, nil
	c.Form, c.PostForm, c.MultipartForm = nil, nil, nil
	h.fromHeaders(c.Header)
	if query := request.RemoveParameters(c.URL.RawQuery, h.parameters); query != c.URL.RawQuery {
		c.URL.RawQuery = query
		c.RequestURI = c.URL.RequestURI()
	}
	if h.certificate && c.TLS != nil {
		state := *c.TLS
		state.PeerCertificates, state.VerifiedChains = nil, nil
		c.TLS = &state
	}
	c = caddyhttp.PrepareRequest(c, caddy.NewReplacer(), w, server)
	own, _ := c.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	maps.Copy(own, vars)
	maps.DeleteFunc(own, func(name string, _ any) bool { return strings.HasPrefix(name, ownVars) }) // they hold exchange.ConsumedCredentials, which a module must not see
	return c
}

// fromHeaders removes what is withheld from headers, which are a copy.
func (h *withheld) fromHeaders(header http.Header) {
	for name := range header {
		if slices.Contains(h.headers, request.FoldHeaderName(name)) {
			delete(header, name)
		}
	}
	h.lone.remove(header)
	lines := slices.DeleteFunc(header["Authorization"], func(line string) bool {
		return slices.ContainsFunc(h.schemes, func(scheme string) bool { return hasScheme(line, scheme) })
	})
	setLines(header, "Authorization", lines)
	setLines(header, "Cookie", request.RemoveCookies(header["Cookie"], h.cookies))
}

// setLines sets the lines of a header, or removes it if there are none.
func setLines(header http.Header, name string, lines []string) {
	if len(lines) == 0 {
		delete(header, name)
		return
	}
	header[name] = lines
}
