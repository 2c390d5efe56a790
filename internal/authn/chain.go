package authn

import (
	"net/http"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Method is an authenticator under the name that it is configured by.
type Method struct {
	Name string
	Authenticator
}

// Chain asks a site's methods, in the order written, who is calling.
type Chain struct {
	methods    []Method
	places     []Source
	origins    *originCheck
	metadata   metadata
	challenged bool
	// foreigners are the bearer tokens of the application behind, or nil.
	foreigners *foreignBearers
}

// NewChain returns a chain of methods. Unsafe requests with a credential that
// browsers attach by themselves are refused when they come from another site,
// unless trusted says of their Origin that the site allows it; trusted may be nil.
// It fails if the methods contradict each other.
func NewChain(methods []Method, trusted func(origin string) bool) (*Chain, error) {
	metadata, err := newMetadata(methods)
	if err != nil {
		return nil, err
	}
	foreigners, err := newForeignBearers(methods)
	if err != nil {
		return nil, err
	}
	c := &Chain{methods: methods, origins: newOriginCheck(trusted), metadata: metadata, foreigners: foreigners}
	for _, method := range methods {
		for _, place := range method.Places() {
			if !slices.Contains(c.places, place) {
				c.places = append(c.places, place)
			}
		}
	}
	c.challenged = len(c.Challenges(authenticator.ChallengeRequest{MaxAge: -1})) > 0
	return c, nil
}

// ServeMetadata answers a request for the description of a protected resource
// (RFC 9728); it is false for any other. Path is the public path, escaped.
func (c *Chain) ServeMetadata(w http.ResponseWriter, r *http.Request, path string) bool {
	return c.metadata.serve(w, r, path)
}

// Challenged reports whether any method can be asked for in a challenge, which
// every 401 must have (RFC 9110, section 15.5.2).
func (c *Chain) Challenged() bool { return c.challenged }

// Empty reports whether no method identifies callers.
func (c *Chain) Empty() bool { return len(c.methods) == 0 }

// AcceptsAnybody returns the name of a method by which strangers can make
// themselves known, so that being known is not enough to be let in; "" if there
// is none.
func (c *Chain) AcceptsAnybody() string {
	for _, method := range c.methods {
		if m, ok := method.Authenticator.(interface{ AcceptsAnybody() bool }); ok && m.AcceptsAnybody() {
			return method.Name
		}
	}
	return ""
}

// Headers returns the canonical names of all headers that hold credentials.
func (c *Chain) Headers() []string {
	var names []string
	for _, place := range c.places {
		if place.Header() != "" && !slices.Contains(names, place.Header()) {
			names = append(names, place.Header())
		}
	}
	return names
}

// Parameters returns the names of all parameters of the query that hold
// credentials.
func (c *Chain) Parameters() []string {
	var names []string
	for _, place := range c.places {
		if place.query != "" {
			names = append(names, place.query)
		}
	}
	return names
}

// Identify says who is calling, and from which place the credential was taken.
// One explicit credential that fails is never followed by another method's try
// (R-BR-14), and a request with two is rejected (T-33). Secure says that the credential
// could not be overheard on its way; if it could, it is refused unread.
func (c *Chain) Identify(r *http.Request, secure bool) (authenticator.Outcome, Source) {
	credential, found := c.find(r)
	switch {
	case found == 0:
		return c.ambientIn(r, c.places, secure)
	case found > 1:
		outcome := malformed("", authenticator.ReasonCredentialsAmbiguous)
		outcome.Details = []authenticator.Detail{{Name: "credentials", Value: strings.Join(c.presented(r), ", ")}}
		return outcome, credential.Place
	case !secure:
		return authenticator.Reject(authenticator.ReasonInsecureTransport), credential.Place
	case !credential.wellFormed():
		outcome := malformed(c.reader(credential.Place), authenticator.ReasonTokenMalformed)
		outcome.Details = credential.syntax()
		return outcome, credential.Place
	}
	if outcome, place, foreign := c.foreign(r, credential); foreign {
		return outcome, place
	}
	return c.judge(r, credential), credential.Place
}

// find returns the explicit credential in r and how many there are.
func (c *Chain) find(r *http.Request) (credential Credential, found int) {
	for _, place := range c.places {
		if place.cookie != "" {
			continue
		}
		place.each(r, func(value string) {
			credential = Credential{Place: place, Value: value}
			found++
		})
	}
	if found == 1 && credential.Place.scheme != "" && len(r.Header["Authorization"]) > 1 {
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
	for _, place := range c.places {
		if place.scheme != "" || place.cookie != "" {
			continue
		}
		name := place.header
		if place.query != "" {
			name = "?" + place.query
		}
		place.each(r, func(string) { names = append(names, name) })
	}
	return names[:min(len(names), maxUnread)]
}

// ambientIn judges a cookie in one of some places, if there is no explicit credential. One that is not
// accepted, or that is there twice (R-CK-5), leaves the caller anonymous: the
// outcome says why, and the place which cookie is to be cleared.
func (c *Chain) ambientIn(r *http.Request, places []Source, secure bool) (authenticator.Outcome, Source) {
	var dead authenticator.Outcome
	var where Source
	for _, place := range places {
		if place.cookie == "" {
			continue
		}
		values := place.values(r)
		if len(values) == 0 {
			continue
		}
		outcome := malformed(c.reader(place), authenticator.ReasonCredentialsAmbiguous)
		switch {
		case !secure:
			outcome = authenticator.Reject(authenticator.ReasonInsecureTransport)
		case len(values) == 1:
			outcome = c.judge(r, Credential{Place: place, Value: values[0]})
		}
		if outcome.Verdict == authenticator.Accepted || outcome.Verdict == authenticator.Unavailable || outcome.Reason == authenticator.ReasonCrossSite {
			return outcome, place
		}
		if dead.Reason == "" {
			dead, where = outcome, place
		}
	}
	return authenticator.Outcome{Verdict: authenticator.Absent, Reason: dead.Reason, Method: dead.Method, Candidate: dead.Candidate, Details: dead.Details}, where
}

// judge asks the methods that read the credential's place, until one claims it.
func (c *Chain) judge(r *http.Request, credential Credential) authenticator.Outcome {
	var first authenticator.Outcome
	for _, method := range c.methods {
		if !slices.Contains(method.Places(), credential.Place) {
			continue
		}
		outcome := method.Authenticate(r, credential)
		outcome.Method = method.Name
		if outcome.Verdict != authenticator.Unclaimed {
			return c.sameSite(r, credential, outcome)
		}
		if first.Method == "" {
			first = outcome
		}
	}
	first.Verdict = authenticator.Rejected
	return first
}

// sameSite refuses a credential that a browser may have attached to a request
// which another site made (R-CSRF-1).
func (c *Chain) sameSite(r *http.Request, credential Credential, outcome authenticator.Outcome) authenticator.Outcome {
	outcome.BrowserAttached = outcome.BrowserAttached || credential.Place.browserAttached()
	if outcome.Verdict != authenticator.Accepted || !outcome.BrowserAttached || c.origins.allows(r) {
		return outcome
	}
	return authenticator.Outcome{
		Verdict: authenticator.Rejected, Reason: authenticator.ReasonCrossSite,
		Method: outcome.Method, Candidate: outcome.Identity.ID,
		Details: []authenticator.Detail{{Name: "origin", Value: r.Header.Get("Origin")}, {Name: "sec_fetch_site", Value: r.Header.Get("Sec-Fetch-Site")}},
	}
}

// reader returns the first method that reads a place.
func (c *Chain) reader(place Source) string {
	for _, method := range c.methods {
		if slices.Contains(method.Places(), place) {
			return method.Name
		}
	}
	return ""
}

// Challenges returns the challenge of every method that is offered, one of each kind: where several
// methods share a scheme, realm and header, the challenge that names an error wins.
func (c *Chain) Challenges(d authenticator.ChallengeRequest) []authenticator.Challenge {
	var result []authenticator.Challenge
	for _, method := range c.methods {
		if !method.offered() {
			continue
		}
		own := d
		if d.Method != "" && d.Method != method.Name {
			own = authenticator.ChallengeRequest{MaxAge: -1}
		}
		for _, challenge := range method.Challenges(own) {
			i := slices.IndexFunc(result, func(other authenticator.Challenge) bool { return sameKind(challenge, other) })
			switch {
			case i < 0:
				result = append(result, challenge)
			case param(result[i], "error") == "":
				result[i] = challenge
			}
		}
	}
	return result
}

// sameKind reports whether two challenges ask for the same credential.
func sameKind(a, b authenticator.Challenge) bool {
	return a.Scheme == b.Scheme && param(a, "realm") == param(b, "realm") && param(a, "header") == param(b, "header") &&
		param(a, "resource_metadata") == param(b, "resource_metadata")
}

// param returns the value of a challenge's auth-param, or "".
func param(c authenticator.Challenge, name string) string {
	for _, p := range c.Params {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}
