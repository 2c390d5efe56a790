package authn

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Method is an authentication method with the name by which it is configured.
type Method struct {
	Name string
	authenticator.Authenticator

	sources []authenticator.Source // what Sources returned when the chain was made
}

// Chain authenticates callers by a site's methods, in the order written.
type Chain struct {
	methods    []Method
	sources    []authenticator.Source // of all methods, each once
	ambient    []ambientReading       // in the order of the methods
	crossSite  *crossSiteCheck
	metadata   metadata
	challenged bool
	// certificates: a method reads client certificates.
	certificates bool
	// whole: a method looks for its credentials itself, in whatever part of a request.
	whole   bool
	foreign *foreignBearers // with unknown_issuer pass, else nil
	lone    *loneSources    // with app_passwords, else nil
}

// NewChain returns a chain of methods. Unsafe requests from other sites with a
// credential that browsers attach on their own are rejected, unless trusted reports
// that the site allows their Origin; trusted may be nil. It fails if the methods
// contradict each other.
func NewChain(methods []Method, trusted func(origin string) bool) (*Chain, error) {
	metadata, err := newMetadata(methods)
	if err != nil {
		return nil, err
	}
	foreign, err := newForeignBearers(methods)
	if err != nil {
		return nil, err
	}
	withholdJWTs(methods)
	c := &Chain{methods: slices.Clone(methods), crossSite: newCrossSiteCheck(trusted), metadata: metadata, foreign: foreign}
	for i := range c.methods {
		if err := c.addSources(i); err != nil {
			return nil, err
		}
	}
	c.lone = newLoneSources(c.methods)
	c.withholdFromProviders()
	c.challenged = len(c.Challenges(authenticator.ChallengeRequest{MaxAge: -1})) > 0
	return c, nil
}

// addSources asks a method for its sources, once: another module could return others
// with each call.
func (c *Chain) addSources(i int) error {
	method := &c.methods[i]
	method.sources = slices.Clone(method.Sources())
	if len(method.sources) == 0 {
		return fmt.Errorf("authenticator %d (%s) reads no credential", i, method.Name)
	}
	for _, source := range method.sources {
		if err := source.Check(); err != nil {
			return fmt.Errorf("authenticator %d (%s): %w", i, method.Name, err)
		}
		if source.Ambient() {
			c.certificates = c.certificates || source.Certificate
			c.whole = c.whole || source.Request
			c.ambient = append(c.ambient, ambientReading{method: method, source: source})
		}
		if !slices.Contains(c.sources, source) {
			c.sources = append(c.sources, source)
		}
	}
	return nil
}

// ServeMetadata answers a request for the description of a protected resource
// (RFC 9728); it is false for any other. Path is the public path, escaped. ID returns the
// ID of the request, which a refusal has.
func (c *Chain) ServeMetadata(w http.ResponseWriter, r *http.Request, path string, id func() string) bool {
	return c.metadata.serve(w, r, path, id)
}

// Challenged reports whether any method can be asked for in a challenge, which
// every 401 must have (RFC 9110, section 15.5.2).
func (c *Chain) Challenged() bool { return c.challenged }

// Empty reports whether no method identifies callers.
func (c *Chain) Empty() bool { return len(c.methods) == 0 }

// PublicSignUp returns the name of a method whose credentials anyone can get, so that
// being authenticated is not enough to be allowed; "" if there is none.
func (c *Chain) PublicSignUp() string {
	for _, method := range c.methods {
		if m, ok := method.Authenticator.(authenticator.PublicSignUp); ok && m.PublicSignUp() {
			return method.Name
		}
	}
	return ""
}

// Headers returns the canonical names of all headers that hold credentials or their proofs.
func (c *Chain) Headers() []string {
	var names []string
	for _, source := range c.sources {
		for _, name := range []string{source.CarriedIn(), source.ProofHeader()} {
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// Parameters returns the names of all parameters of the query that hold
// credentials.
func (c *Chain) Parameters() []string {
	var names []string
	for _, source := range c.sources {
		if source.Query != "" {
			names = append(names, source.Query)
		}
	}
	return names
}

// Identified is the result of authenticating a request.
type Identified struct {
	authenticator.Outcome
	// Source is where the credential was; zero without one.
	Source authenticator.Source
	// ForeignBearer says that the request also has a bearer token of the application
	// behind the site, which was not verified.
	ForeignBearer bool
}

// Identify returns who is calling. One explicit credential that is not accepted is
// never tried with another method (R-BR-14), and a request with two is rejected (T-33).
// Secure says that the credential could not be overheard on its way; if it could, it
// is rejected unread.
func (c *Chain) Identify(r *http.Request, secure bool) Identified {
	credential, found := c.find(r)
	if found == 0 {
		return c.identifyAmbient(r, nil, secure)
	}
	return c.explicit(r, credential, found, secure)
}

// explicit verifies a credential that the client chose to send.
func (c *Chain) explicit(r *http.Request, credential authenticator.Credential, found int, secure bool) Identified {
	caller := Identified{Source: credential.Source}
	switch {
	case found > 1:
		caller.Outcome = malformed("", authenticator.ReasonCredentialsAmbiguous)
		caller.Details = []authenticator.Detail{{Name: "credentials", Value: strings.Join(c.presented(r), ", ")}}
	case !secure:
		caller.Outcome = authenticator.Reject(authenticator.ReasonInsecureTransport)
	case !wellFormed(credential):
		caller.Outcome = malformed(c.reader(credential.Source), authenticator.ReasonTokenMalformed)
		caller.Details = syntaxProblem(credential)
	default:
		if besides, foreign := c.besideSession(r, credential); foreign {
			return besides
		}
		caller.Outcome = c.judge(r, credential)
	}
	return caller
}

// find returns the explicit credential in r and how many there are.
func (c *Chain) find(r *http.Request) (credential authenticator.Credential, found int) {
	for _, source := range c.sources {
		if source.Ambient() {
			continue
		}
		eachCredential(r, source, func(value string) {
			if c.lone.foreign(source, value) {
				return
			}
			credential = authenticator.Credential{Source: source, Value: value}
			found++
		})
	}
	if found == 1 && credential.Source.Scheme != "" && len(r.Header["Authorization"]) > 1 {
		found++ // a line that we handle and one that we do not: still two (RFC 9110, section 5.3)
	}
	return credential, found
}

// presented names where a request has explicit credentials, and never shows them.
func (c *Chain) presented(r *http.Request) []string {
	var names []string
	for _, line := range r.Header["Authorization"] {
		names = append(names, "Authorization "+schemeOf(line))
	}
	for _, source := range c.sources {
		if source.Scheme != "" || source.Ambient() {
			continue
		}
		name := source.Header
		if source.Query != "" {
			name = "?" + source.Query
		}
		eachCredential(r, source, func(value string) {
			if !c.lone.foreign(source, value) {
				names = append(names, name)
			}
		})
	}
	return names[:min(len(names), maxUnread)]
}

// judge asks the methods that read the credential's source, until one claims it.
func (c *Chain) judge(r *http.Request, credential authenticator.Credential) authenticator.Outcome {
	var first authenticator.Outcome
	for i := range c.methods {
		method := &c.methods[i]
		if !slices.Contains(method.sources, credential.Source) {
			continue
		}
		outcome := method.ask(r, credential)
		if outcome.Verdict != authenticator.Unclaimed {
			return c.rejectCrossSite(r, credential, outcome)
		}
		if first.Method == "" || first.Method == appPasswordMethod { // which has no more to say of what others read
			first = outcome
		}
	}
	first.Verdict = authenticator.Rejected
	return first
}

// rejectCrossSite rejects an accepted credential that a browser may have attached to a
// request of another site (R-CSRF-1).
func (c *Chain) rejectCrossSite(r *http.Request, credential authenticator.Credential, outcome authenticator.Outcome) authenticator.Outcome {
	outcome.BrowserAttached = outcome.BrowserAttached || browserAttached(credential.Source)
	if outcome.Verdict != authenticator.Accepted || !outcome.BrowserAttached || c.crossSite.allows(r) {
		return outcome
	}
	return authenticator.Outcome{
		Verdict: authenticator.Rejected, Reason: authenticator.ReasonCrossSite,
		Method: outcome.Method, Candidate: outcome.Identity.ID,
		Details: []authenticator.Detail{{Name: "origin", Value: r.Header.Get("Origin")}, {Name: "sec_fetch_site", Value: r.Header.Get("Sec-Fetch-Site")}},
	}
}

// reader returns the name of the first method that reads a source.
func (c *Chain) reader(source authenticator.Source) string {
	for _, method := range c.methods {
		if slices.Contains(method.sources, source) {
			return method.Name
		}
	}
	return ""
}
