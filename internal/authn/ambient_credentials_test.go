package authn

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// placed is a method whose credential is in one kind of source; its value is good or
// bad. Without a name, the credential is in a header that tests alone use.
type placed struct {
	name   string
	source authenticator.Source
	failed authenticator.Verdict // for a bad credential
	asked  int
}

const unnamed = "X-Test-"

// put adds the method's credential to a request.
func (p *placed) put(r *http.Request, value string) {
	switch s := p.source; {
	case value == "":
	case s.Scheme != "":
		r.Header.Set("Authorization", s.Scheme+" "+value)
	case s.Header != "":
		r.Header.Set(s.Header, value)
	case s.Query != "":
		r.URL.RawQuery = s.Query + "=" + value
	case s.Cookie != "":
		r.Header.Set("Cookie", s.Cookie+"="+value)
	default:
		r.Header.Set(unnamed+p.name, value)
	}
}

func (p *placed) Sources() []authenticator.Source { return []authenticator.Source{p.source} }

func (p *placed) Authenticate(r *http.Request, c authenticator.Credential) authenticator.Outcome {
	p.asked++
	value := c.Value
	if (p.source.Certificate || p.source.Request) && len(r.Header) > 0 {
		value = r.Header.Get(unnamed + p.name)
	}
	switch value {
	case "":
		return authenticator.Outcome{Verdict: authenticator.Absent}
	case "good":
		return authenticator.Accept(&authenticator.Identity{
			Authenticated: true, ID: p.name, Kind: authenticator.KindUser, Issuer: p.name, Roles: []string{p.name}, Claims: map[string]any{"of": p.name},
		})
	}
	return authenticator.Outcome{Verdict: p.failed, Reason: authenticator.ReasonCredentialsInvalid, Candidate: p.name}
}

func (*placed) Challenges(authenticator.ChallengeRequest) []authenticator.Challenge { return nil }

// everySource are methods of all kinds of source.
func everySource() []*placed {
	const rejected = authenticator.Rejected
	return []*placed{
		{name: "scheme", source: authenticator.FromScheme("Badge"), failed: rejected},
		{name: "header", source: authenticator.FromHeader("x-api-key"), failed: rejected},
		{name: "query", source: authenticator.FromQuery("token"), failed: rejected},
		{name: "cookie", source: authenticator.FromCookie("id"), failed: rejected},
		{name: "certificate", source: authenticator.FromCertificate(), failed: rejected},
		{name: "request", source: authenticator.FromRequest(), failed: rejected},
		{name: "lenient", source: authenticator.FromRequest(), failed: authenticator.Absent},
	}
}

// expected is what the rules say of two credentials in the order written: the verdict
// and whose it is. Two explicit ones are one too many, an explicit one decides alone;
// otherwise the first that is accepted.
func expected(methods []*placed, values []string) (authenticator.Verdict, string) {
	explicit, chosen := 0, 0
	for i, m := range methods {
		if values[i] != "" && !m.source.Ambient() {
			explicit, chosen = explicit+1, i
		}
	}
	switch {
	case explicit > 1:
		return authenticator.Malformed, ""
	case explicit == 1 && values[chosen] == "good":
		return authenticator.Accepted, methods[chosen].name
	case explicit == 1:
		return authenticator.Rejected, methods[chosen].name
	}
	dead := ""
	for i, m := range methods {
		switch {
		case values[i] == "good":
			return authenticator.Accepted, m.name
		case values[i] == "bad" && m.source.Request && m.failed == authenticator.Rejected:
			return authenticator.Rejected, m.name
		case values[i] == "bad" && dead == "":
			dead = m.name
		}
	}
	return authenticator.Absent, dead
}

// TestT30T33T51Pairs: T-30, T-33, T-51. For every pair of methods in both orders, with
// each of their credentials good, bad and absent: the identity comes from one credential
// as a whole, and no method but those that the rules name is asked.
func TestT30T33T51Pairs(t *testing.T) {
	values := []string{"", "good", "bad"}
	for i := range everySource() {
		for j := range everySource() {
			if i == j {
				continue
			}
			for _, first := range values {
				for _, second := range values {
					all := everySource()
					checkPair(t, []*placed{all[i], all[j]}, []string{first, second})
				}
			}
		}
	}
}

func checkPair(t *testing.T, pair []*placed, values []string) {
	t.Helper()
	name := pair[0].name + " " + values[0] + ", " + pair[1].name + " " + values[1]
	var methods []Method
	r := httptest.NewRequest("GET", "/", nil)
	for i, m := range pair {
		methods = append(methods, Method{Name: m.name, Authenticator: m})
		m.put(r, values[i])
	}
	chain, err := NewChain(methods, nil)
	if err != nil {
		t.Fatal(err)
	}
	caller := chain.Identify(r, true)
	verdict, who := expected(pair, values)
	if caller.Verdict != verdict || caller.Method != who {
		t.Errorf("%s: %d of %q, want %d of %q", name, caller.Verdict, caller.Method, verdict, who)
	}
	id := caller.Identity
	switch {
	case verdict != authenticator.Accepted && id != nil:
		t.Errorf("%s: an identity without a verdict", name)
	case verdict == authenticator.Accepted && (id.ID != who || id.Issuer != who || id.Method != who || id.Roles[0] != who || id.Claims["of"] != who):
		t.Errorf("%s: the identity is %+v", name, id)
	}
	for i, m := range pair {
		if other := pair[1-i]; m.asked > 0 && values[1-i] != "" && !other.source.Ambient() {
			t.Errorf("%s: %s is asked beside an explicit credential of another", name, m.name)
		}
	}
}

// chainOf returns a chain of methods.
func chainOf(t *testing.T, all ...*placed) *Chain {
	t.Helper()
	var methods []Method
	for _, m := range all {
		methods = append(methods, Method{Name: m.name, Authenticator: m})
	}
	chain, err := NewChain(methods, func(origin string) bool { return origin == "https://friend.example" })
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

// TestOneCertificate: several methods read the one certificate, until one claims it; one
// that a method rejects is not tried with another. A method in between is asked in its
// place.
func TestOneCertificate(t *testing.T) {
	certificate := func(name string, failed authenticator.Verdict) *placed {
		return &placed{name: name, source: authenticator.FromCertificate(), failed: failed}
	}
	cookie := func() *placed {
		return &placed{name: "cookie", source: authenticator.FromCookie("id"), failed: authenticator.Rejected}
	}
	for name, test := range map[string]struct {
		methods []*placed
		values  map[string]string
		verdict authenticator.Verdict
		who     string
	}{
		"the second knows it":            {[]*placed{certificate("a", authenticator.Unclaimed), certificate("b", 0)}, map[string]string{"a": "bad", "b": "good"}, authenticator.Accepted, "b"},
		"no method knows it":             {[]*placed{certificate("a", authenticator.Unclaimed), certificate("b", authenticator.Unclaimed)}, map[string]string{"a": "bad", "b": "bad"}, authenticator.Absent, "a"},
		"the first rejects it":           {[]*placed{certificate("a", authenticator.Rejected), certificate("b", 0)}, map[string]string{"a": "bad", "b": "good"}, authenticator.Absent, "a"},
		"a session before the second":    {[]*placed{certificate("a", authenticator.Unclaimed), cookie(), certificate("b", 0)}, map[string]string{"a": "bad", "cookie": "good", "b": "good"}, authenticator.Accepted, "cookie"},
		"a dead session before it":       {[]*placed{certificate("a", authenticator.Unclaimed), cookie(), certificate("b", 0)}, map[string]string{"a": "bad", "cookie": "bad", "b": "good"}, authenticator.Accepted, "b"},
		"a dead session after a bad one": {[]*placed{certificate("a", authenticator.Rejected), cookie()}, map[string]string{"a": "bad", "cookie": "bad"}, authenticator.Absent, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			chain, r := chainOf(t, test.methods...), httptest.NewRequest("GET", "/", nil)
			for _, m := range test.methods {
				m.put(r, test.values[m.name])
			}
			caller := chain.Identify(r, true)
			if caller.Verdict != test.verdict || caller.Method != test.who {
				t.Errorf("%d of %q, want %d of %q", caller.Verdict, caller.Method, test.verdict, test.who)
			}
			if test.verdict == authenticator.Absent && test.values["cookie"] == "bad" && caller.Source.Cookie != "id" {
				t.Error("the dead cookie is not named")
			}
		})
	}
}

// TestCertificatesAreBrowserAttached: R-CSRF-1. A browser sends a
// certificate, and what a method finds in the request, on its own, unless the method says
// otherwise.
func TestCertificatesAreBrowserAttached(t *testing.T) {
	for _, test := range []struct {
		name   string
		source authenticator.Source
		reason authenticator.Reason
	}{
		{"certificate", authenticator.FromCertificate(), authenticator.ReasonCrossSite},
		{"request", authenticator.FromRequest(), authenticator.ReasonCrossSite},
		{"declared", authenticator.Source{Request: true, NotBrowserAttached: true}, ""},
	} {
		for origin, reason := range map[string]authenticator.Reason{"https://evil.example": test.reason, "https://friend.example": ""} {
			m := &placed{name: test.name, source: test.source}
			chain, r := chainOf(t, m), httptest.NewRequest("POST", "https://example.com/", nil)
			m.put(r, "good")
			r.Header.Set("Origin", origin)
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			if caller := chain.Identify(r, true); caller.Reason != reason || (caller.Verdict == authenticator.Accepted) != (reason == "") {
				t.Errorf("%s, %s: %+v", test.name, origin, caller.Outcome)
			}
		}
	}
}

// TestAmbientOverPlainHTTP: R-HTTP-5. What could be overheard is not read; a certificate
// is no secret.
func TestAmbientOverPlainHTTP(t *testing.T) {
	for _, m := range everySource()[3:] {
		chain, r := chainOf(t, m), httptest.NewRequest("GET", "/", nil)
		m.put(r, "good")
		caller := chain.Identify(r, false)
		if m.source.Certificate != (caller.Verdict == authenticator.Accepted) || m.source.Certificate != (m.asked == 1) {
			t.Errorf("%s: %+v", m.name, caller.Outcome)
		}
		if !m.source.Certificate && (caller.Verdict != authenticator.Absent || caller.Reason != authenticator.ReasonInsecureTransport) {
			t.Errorf("%s: %+v", m.name, caller.Outcome)
		}
	}
}

// TestAmbientAllocations: a method that looks for its credential itself and finds none
// costs no memory.
func TestAmbientAllocations(t *testing.T) {
	all := everySource()
	chain, r := chainOf(t, all...), httptest.NewRequest("GET", "/", nil)
	if got := testing.AllocsPerRun(100, func() { chain.Identify(r, true) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
