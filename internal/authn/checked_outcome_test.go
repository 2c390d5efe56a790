package authn

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// returning is a method of another module, which returns what a test says.
type returning struct {
	sources []authenticator.Source
	verify  func(c authenticator.Credential) authenticator.Outcome
	asks    func() []authenticator.Challenge
}

func (m *returning) Sources() []authenticator.Source { return m.sources }

func (m *returning) Authenticate(_ *http.Request, c authenticator.Credential) authenticator.Outcome {
	return m.verify(c)
}

func (m *returning) Challenges(authenticator.ChallengeRequest) []authenticator.Challenge {
	if m.asks == nil {
		return nil
	}
	return m.asks()
}

const presentedSecret = "canary-4711"

// presenting returns what a chain makes of an outcome of a method acme, for a
// credential in a header or in a cookie.
func presenting(t *testing.T, source authenticator.Source, verify func(authenticator.Credential) authenticator.Outcome) Identified {
	t.Helper()
	chain, err := NewChain([]Method{{Name: "acme", Authenticator: &returning{sources: []authenticator.Source{source}, verify: verify}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	if source.Cookie != "" {
		r.Header.Set("Cookie", source.Cookie+"="+presentedSecret)
	} else {
		r.Header.Set(source.Header, presentedSecret)
	}
	return chain.Identify(r, true)
}

var badgeHeader = authenticator.FromHeader("X-Badge")

// TestMethodFails: a method that panics, or that accepts a credential without an
// identity that policies can judge, authenticates no caller, in a header and in a cookie,
// which leaves other callers anonymous.
func TestMethodFails(t *testing.T) {
	valid := authenticator.Identity{Authenticated: true, ID: "alice", Kind: authenticator.KindUser}
	accept := func(change func(*authenticator.Identity)) func() authenticator.Outcome {
		return func() authenticator.Outcome {
			id := valid
			change(&id)
			return authenticator.Accept(&id)
		}
	}
	cyclic := map[string]any{}
	cyclic["self"] = cyclic
	tests := map[string]struct {
		verify func() authenticator.Outcome
		want   string
	}{
		"a panic":                {func() authenticator.Outcome { panic(errors.New(presentedSecret)) }, "panic: *errors.errorString, in "},
		"a panic of the runtime": {func() authenticator.Outcome { var m map[string]int; m["a"]++; return authenticator.Outcome{} }, "assignment to entry in nil map"}, //nolint:staticcheck // it has to panic
		"an aborted handler":     {func() authenticator.Outcome { panic(http.ErrAbortHandler) }, "panic"},
		"no identity":            {func() authenticator.Outcome { return authenticator.Accept(nil) }, "there is no identity"},
		"an anonymous caller":    {func() authenticator.Outcome { return authenticator.Accept(authenticator.Anonymous()) }, "authenticated is false"},
		"no id":                  {accept(func(id *authenticator.Identity) { id.ID = "" }), "has an ID"},
		"not authenticated":      {accept(func(id *authenticator.Identity) { id.Authenticated = false }), "authenticated is false"},
		"an unknown kind":        {accept(func(id *authenticator.Identity) { id.Kind = "robot" }), "robot"},
		"an unknown binding":     {accept(func(id *authenticator.Identity) { id.Bound = "dpop " }), "bound"},
		"an unknown field":       {accept(func(id *authenticator.Identity) { id.Unknown = []string{"id"} }), "unknown names"},
		"another method's name":  {accept(func(id *authenticator.Identity) { id.Method = "jwt" }), `method is "jwt"`},
		"another name, normalized": {func() authenticator.Outcome {
			id := valid
			id.Method = "jwt"
			return authenticator.Accept(id.Normalize())
		}, `method is "jwt"`},
		"an id that is not UTF-8":      {accept(func(id *authenticator.Identity) { id.ID = "a\xff" }), "UTF-8"},
		"a claim that is not JSON":     {accept(func(id *authenticator.Identity) { id.Claims = map[string]any{"f": func() {}} }), "claims"},
		"a number that is none":        {accept(func(id *authenticator.Identity) { id.Claims = map[string]any{"n": json.Number("0x1")} }), "is not a number"},
		"claims that hold themselves":  {accept(func(id *authenticator.Identity) { id.Claims = cyclic }), "nest deeper"},
		"a claim that panics":          {accept(func(id *authenticator.Identity) { id.Claims = map[string]any{"p": panics{}} }), "panic"},
		"huge claims":                  {accept(func(id *authenticator.Identity) { id.Claims = map[string]any{"a": strings.Repeat("a", 1<<20)} }), "more than"},
		"a copy that was changed":      {func() authenticator.Outcome { id := *valid.Normalize(); id.ID = ""; return authenticator.Accept(&id) }, "has an ID"},
		"a verdict that is none":       {func() authenticator.Outcome { return authenticator.Outcome{Verdict: 42, Identity: &valid} }, "no verdict 42"},
		"a negative verdict":           {func() authenticator.Outcome { return authenticator.Outcome{Verdict: -1, Identity: &valid} }, "no verdict -1"},
		"a failure":                    {func() authenticator.Outcome { return authenticator.Fail(errors.New("directory down")) }, "directory down"},
		"a failure without an error":   {func() authenticator.Outcome { return authenticator.Outcome{Verdict: authenticator.Failed} }, "does not say why"},
		"a failure that shows secrets": {func() authenticator.Outcome { return authenticator.Fail(errors.New("bad " + presentedSecret)) }, "does not say why"},
	}
	for name, test := range tests {
		for _, source := range []authenticator.Source{badgeHeader, authenticator.FromCookie("badge")} {
			t.Run(name, func(t *testing.T) {
				got := presenting(t, source, func(authenticator.Credential) authenticator.Outcome { return test.verify() })
				if got.Verdict != authenticator.Failed || got.Identity != nil || got.Hold != nil || got.Method != "acme" || got.Reason != authenticator.ReasonAuthenticatorError {
					t.Fatalf("got %+v", got)
				}
				if got.Err == nil || !strings.Contains(got.Err.Error(), test.want) || !strings.HasPrefix(got.Err.Error(), "method acme: ") || strings.Contains(got.Err.Error(), presentedSecret) {
					t.Errorf("error %v, want %q", got.Err, test.want)
				}
			})
		}
	}
}

// panics is a claim that cannot be encoded.
type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("claim") }

// TestPanicNamed: the error of a panic says where in the method it began.
func TestPanicNamed(t *testing.T) {
	got := presenting(t, badgeHeader, func(authenticator.Credential) authenticator.Outcome { panic("here") })
	if !strings.Contains(got.Err.Error(), "TestPanicNamed") || !strings.Contains(got.Err.Error(), "outcome_test.go:") {
		t.Error(got.Err)
	}
}

// TestMethodAccepts: what of an accepted outcome counts, and how an identity of
// another module is completed.
func TestMethodAccepts(t *testing.T) {
	given := &authenticator.Identity{Authenticated: true, ID: "alice", Claims: map[string]any{"team": "blue", "level": 3, "tags": []string{"a"}}}
	got := presenting(t, badgeHeader, func(authenticator.Credential) authenticator.Outcome {
		return authenticator.Outcome{Verdict: authenticator.Accepted, Identity: given, Reason: authenticator.ReasonTokenExpired, Cause: authenticator.CausePasswordWrong, Method: "jwt", Candidate: "eve"}
	})
	if got.Verdict != authenticator.Accepted || got.Method != "acme" || got.Reason != "" || got.Cause != "" || got.Candidate != "" || got.Source != badgeHeader {
		t.Errorf("got %+v", got)
	}
	id := got.Identity
	if id.Kind != authenticator.KindUnknown || id.Method != "acme" || id.Roles == nil || id.Unknown == nil || id.Bound != "none" {
		t.Errorf("identity %+v", id)
	}
	if tags, ok := id.Claims["tags"].([]any); !ok || len(tags) != 1 || tags[0] != "a" {
		t.Errorf("claims %#v", id.Claims)
	}
	if given.Method != "" || given.Roles != nil {
		t.Error("the method's own identity was changed")
	}
}

// TestSharedIdentity: a normalized identity is used as it is, so that caches know it
// again; another one is completed for each request.
func TestSharedIdentity(t *testing.T) {
	shared := (&authenticator.Identity{Authenticated: true, ID: "alice", Method: "acme"}).Normalize()
	for _, test := range []struct {
		id   *authenticator.Identity
		same bool
	}{{shared, true}, {&authenticator.Identity{Authenticated: true, ID: "alice", Method: "acme"}, false}} {
		got := presenting(t, badgeHeader, func(authenticator.Credential) authenticator.Outcome { return authenticator.Accept(test.id) })
		if (got.Identity == test.id) != test.same {
			t.Errorf("same %v, want %v", !test.same, test.same)
		}
	}
}

// TestMethodRejects: reasons that are not a method's, and what must not be logged, do
// not leave the chain.
func TestMethodRejects(t *testing.T) {
	const rejected, unavailable = authenticator.Rejected, authenticator.Unavailable
	tests := map[string]struct {
		outcome authenticator.Outcome
		verdict authenticator.Verdict
		reason  authenticator.Reason
		details string
	}{
		"as it is":                    {authenticator.Reject(authenticator.ReasonTokenExpired, authenticator.Detail{Name: "age_1", Value: "9"}), rejected, "token_expired", "age_1=9"},
		"no reason":                   {authenticator.Reject(""), rejected, "credentials_invalid", ""},
		"an unknown reason":           {authenticator.Reject("moon_phase"), rejected, "credentials_invalid", "unknown_reason=moon_phase"},
		"a reason of policies":        {authenticator.Reject(authenticator.ReasonPolicyDenied), rejected, "credentials_invalid", "unknown_reason=policy_denied"},
		"a reason of other sites":     {authenticator.Reject(authenticator.ReasonCrossSite), rejected, "credentials_invalid", "unknown_reason=cross_site"},
		"absent, though it is there":  {authenticator.Outcome{Verdict: authenticator.Absent}, rejected, "credentials_invalid", ""},
		"unclaimed by all":            {authenticator.Outcome{Reason: authenticator.ReasonTokenIssuer}, rejected, "token_issuer", ""},
		"malformed":                   {authenticator.Outcome{Verdict: authenticator.Malformed, Reason: "x"}, authenticator.Malformed, "credentials_invalid", "unknown_reason=x"},
		"unavailable":                 {authenticator.Outcome{Verdict: unavailable, Reason: authenticator.ReasonBusy}, unavailable, "busy", ""},
		"unavailable without a cause": {authenticator.Outcome{Verdict: unavailable, Reason: authenticator.ReasonTokenExpired}, unavailable, "store_unavailable", "unknown_reason=token_expired"},
		"details with the credential": {authenticator.Reject(authenticator.ReasonTokenExpired, authenticator.Detail{Name: "a", Value: "is " + presentedSecret}, authenticator.Detail{Name: "b", Value: "c"}), rejected, "token_expired", "b=c"},
		"details with bad names":      {authenticator.Reject(authenticator.ReasonTokenExpired, authenticator.Detail{Name: "A b\n", Value: "1"}, authenticator.Detail{Value: "2"}, authenticator.Detail{Name: strings.Repeat("a", 65)}), rejected, "token_expired", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			given := test.outcome
			given.Identity, given.Hold = authenticator.Anonymous(), func() func() { return nil }
			given.Candidate, given.Err, given.RetryAfter, given.Cause = "as "+presentedSecret, errors.New(presentedSecret), -time.Second, "moon"
			got := presenting(t, badgeHeader, func(authenticator.Credential) authenticator.Outcome { return given })
			var details []string
			for _, d := range got.Details {
				details = append(details, d.Name+"="+d.Value)
			}
			if got.Verdict != test.verdict || got.Reason != test.reason || got.Method != "acme" || strings.Join(details, " ") != test.details {
				t.Errorf("got %d %s %s", got.Verdict, got.Reason, details)
			}
			if got.Identity != nil || got.Hold != nil || got.Candidate != "" || got.Err != nil || got.RetryAfter != 0 || got.Cause != "" {
				t.Errorf("got %+v", got)
			}
		})
	}
	many := authenticator.Reject(authenticator.ReasonTokenExpired, slices.Repeat([]authenticator.Detail{{Name: "a"}}, 1000)...)
	if got := presenting(t, badgeHeader, func(authenticator.Credential) authenticator.Outcome { return many }); len(got.Details) > 32 {
		t.Errorf("%d details", len(got.Details))
	}
}

// TestRejectedCookie: a cookie that is rejected leaves its caller anonymous, one that
// cannot be verified now does not.
func TestRejectedCookie(t *testing.T) {
	for given, want := range map[authenticator.Verdict]authenticator.Verdict{
		authenticator.Rejected: authenticator.Absent, authenticator.Absent: authenticator.Absent, authenticator.Unclaimed: authenticator.Absent, authenticator.Malformed: authenticator.Absent,
		authenticator.Unavailable: authenticator.Unavailable, authenticator.Failed: authenticator.Failed,
	} {
		got := presenting(t, authenticator.FromCookie("badge"), func(authenticator.Credential) authenticator.Outcome {
			return authenticator.Outcome{Verdict: given, Identity: authenticator.Anonymous()}
		})
		if got.Verdict != want || got.Identity != nil || got.Source.Cookie != "badge" {
			t.Errorf("%d becomes %+v, want %d", given, got, want)
		}
	}
}

// TestPanickingChallenges: a method that panics when it is asked for challenges has
// none, and those of others stay.
func TestPanickingChallenges(t *testing.T) {
	broken := false
	acme := &returning{sources: []authenticator.Source{badgeHeader}, asks: func() []authenticator.Challenge {
		if broken {
			panic("challenge")
		}
		return []authenticator.Challenge{{Scheme: "Badge"}}
	}}
	basic := &fake{name: "basic", source: authenticator.FromScheme("Basic"), accept: "good"}
	chain, err := NewChain([]Method{{Name: "acme", Authenticator: acme}, {Name: "basic", Authenticator: basic}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{2, 1} {
		if got := chain.Challenges(authenticator.ChallengeRequest{}); len(got) != want {
			t.Errorf("%v, want %d", got, want)
		}
		broken = true
	}
}

// TestBadSources: a method whose sources no request can have does not load.
func TestBadSources(t *testing.T) {
	for name, sources := range map[string][]authenticator.Source{
		"none": nil, "nowhere": {{}}, "two at once": {{Header: "A", Query: "b"}}, "all of Authorization": {authenticator.FromHeader("authorization")},
		"no scheme": {authenticator.FromScheme("")}, "a scheme with a space": {authenticator.FromScheme("a b")}, "a good and a bad one": {badgeHeader, {}},
	} {
		if _, err := NewChain([]Method{{Name: "acme", Authenticator: &returning{sources: sources}}}, nil); err == nil || !strings.Contains(err.Error(), "authenticator 0 (acme)") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSourcesAskedOnce: what a method reads is fixed when the configuration loads.
func TestSourcesAskedOnce(t *testing.T) {
	acme := &returning{sources: []authenticator.Source{badgeHeader}, verify: func(authenticator.Credential) authenticator.Outcome { return authenticator.Reject("") }}
	chain, err := NewChain([]Method{{Name: "acme", Authenticator: acme}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	acme.sources[0] = authenticator.FromHeader("X-Other")
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Badge", "a")
	if got := chain.Identify(r, true); got.Verdict != authenticator.Rejected || got.Method != "acme" {
		t.Errorf("got %+v", got)
	}
}
