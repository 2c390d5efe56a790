package authn

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// fake is a method that accepts one value in one place.
type fake struct {
	name   string
	source authenticator.Source
	accept string
	other  authenticator.Verdict // for other values
	asked  int
}

func (f *fake) Sources() []authenticator.Source { return []authenticator.Source{f.source} }

func (f *fake) Authenticate(_ *http.Request, c authenticator.Credential) authenticator.Outcome {
	f.asked++
	if c.Value == f.accept {
		return authenticator.Accept((&authenticator.Identity{Authenticated: true, ID: f.name, Method: f.name}).Normalize())
	}
	return authenticator.Outcome{Verdict: f.other, Reason: authenticator.ReasonCredentialsInvalid}
}

func (f *fake) Challenges(d authenticator.ChallengeRequest) []authenticator.Challenge {
	if f.source.Scheme == "bearer" {
		return []authenticator.Challenge{bearerChallenge(d)}
	}
	return []authenticator.Challenge{{Scheme: f.name, Params: []authenticator.Param{{Name: "realm", Value: "r"}}}}
}

// site is a chain with two issuers of bearer tokens, Basic and a key header.
func site() (*Chain, map[string]*fake) {
	fakes := map[string]*fake{
		"one":   {name: "one", source: authenticator.FromScheme("Bearer"), accept: "first", other: authenticator.Unclaimed},
		"two":   {name: "two", source: authenticator.FromScheme("Bearer"), accept: "second", other: authenticator.Rejected},
		"basic": {name: "basic", source: authenticator.FromScheme("Basic"), accept: "good", other: authenticator.Rejected},
		"key":   {name: "key", source: authenticator.FromHeader("x-api-key"), accept: "key", other: authenticator.Rejected},
	}
	var methods []Method
	for _, name := range []string{"one", "two", "basic", "key"} {
		methods = append(methods, Method{Name: name, Authenticator: fakes[name]})
	}
	chain, err := NewChain(methods, func(origin string) bool { return origin == "https://friend.example" })
	if err != nil {
		panic(err)
	}
	return chain, fakes
}

// TestIdentify: R-401-2, R-401-5, R-BR-1, R-BR-3, R-BR-6, R-BR-7, R-BR-14,
// R-HTTP-6, R-KEY-1, T-33, T-51.
func TestIdentify(t *testing.T) {
	const (
		absent    = authenticator.Absent
		accepted  = authenticator.Accepted
		rejected  = authenticator.Rejected
		malformed = authenticator.Malformed
	)
	tests := []struct {
		name    string
		header  http.Header
		verdict authenticator.Verdict
		who     string // the method
		reason  authenticator.Reason
	}{
		{"nothing", http.Header{}, absent, "", ""},
		{"bearer", http.Header{"Authorization": {"Bearer first"}}, accepted, "one", ""},
		{"scheme in lower case", http.Header{"Authorization": {"bearer first"}}, accepted, "one", ""},
		{"scheme in upper case", http.Header{"Authorization": {"BEARER  first"}}, accepted, "one", ""},
		{"the second issuer", http.Header{"Authorization": {"Bearer second"}}, accepted, "two", ""},
		{"neither issuer", http.Header{"Authorization": {"Bearer third"}}, rejected, "two", "credentials_invalid"},
		{"basic", http.Header{"Authorization": {"Basic good"}}, accepted, "basic", ""},
		{"key", http.Header{"X-Api-Key": {"key"}}, accepted, "key", ""},
		{"bad key", http.Header{"X-Api-Key": {"kez"}}, rejected, "key", "credentials_invalid"},
		{"empty key", http.Header{"X-Api-Key": {""}}, rejected, "key", "credentials_invalid"},
		{"another scheme", http.Header{"Authorization": {"Foo bar"}}, absent, "", ""},
		{"a longer scheme", http.Header{"Authorization": {"Bearerfirst"}}, absent, "", ""},
		{"proxy credentials", http.Header{"Proxy-Authorization": {"Bearer first"}}, absent, "", ""},
		{"bearer alone", http.Header{"Authorization": {"Bearer"}}, malformed, "one", "token_malformed"},
		{"bearer and a space", http.Header{"Authorization": {"Bearer "}}, malformed, "one", "token_malformed"},
		{"two words", http.Header{"Authorization": {"Bearer first second"}}, malformed, "one", "token_malformed"},
		{"a quote", http.Header{"Authorization": {`Bearer fir"st`}}, malformed, "one", "token_malformed"},
		{"a tab", http.Header{"Authorization": {"Bearer\tfirst"}}, malformed, "one", "token_malformed"},
		{"joined lines", http.Header{"Authorization": {"Bearer first, Bearer first"}}, malformed, "one", "token_malformed"},
		{"padding alone", http.Header{"Authorization": {"Bearer =="}}, malformed, "one", "token_malformed"},
		{"two lines", http.Header{"Authorization": {"Bearer first", "Bearer first"}}, malformed, "", "credentials_ambiguous"},
		{"two schemes", http.Header{"Authorization": {"Bearer first", "Basic good"}}, malformed, "", "credentials_ambiguous"},
		{"ours and another's", http.Header{"Authorization": {"Foo x", "Bearer first"}}, malformed, "", "credentials_ambiguous"},
		{"two lines of others", http.Header{"Authorization": {"Foo x", "Bar y"}}, absent, "", ""},
		{"bearer and key", http.Header{"Authorization": {"Bearer first"}, "X-Api-Key": {"key"}}, malformed, "", "credentials_ambiguous"},
		{"another scheme and key", http.Header{"Authorization": {"Foo x"}, "X-Api-Key": {"key"}}, accepted, "key", ""},
		{"two keys", http.Header{"X-Api-Key": {"key", "key"}}, malformed, "", "credentials_ambiguous"},
		{"a bad token and a cookie", http.Header{"Authorization": {"Bearer third"}, "Cookie": {"session=good"}}, rejected, "two", "credentials_invalid"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			chain, _ := site()
			r := httptest.NewRequest("GET", "/", nil)
			r.Header = test.header
			outcome := chain.Identify(r, true)
			if outcome.Verdict != test.verdict || outcome.Method != test.who || outcome.Reason != test.reason {
				t.Errorf("got %d %q %q, want %d %q %q", outcome.Verdict, outcome.Method, outcome.Reason, test.verdict, test.who, test.reason)
			}
			if (outcome.Verdict == accepted) != (outcome.Identity != nil) {
				t.Error("an identity stands beside a verdict that is not accepted, or the reverse")
			}
			if outcome.Verdict == accepted && test.header[outcome.Source.CarriedIn()] == nil {
				t.Errorf("the credential's source is said to be %q", outcome.Source.CarriedIn())
			}
		})
	}
}

// TestTwoNamed: the log says where two credentials are, and shows neither.
func TestTwoNamed(t *testing.T) {
	for want, header := range map[string]http.Header{
		"Authorization Bearer, Authorization Basic":                           {"Authorization": {"Bearer first", "Basic good"}},
		"Authorization with a scheme that is not known, Authorization Bearer": {"Authorization": {"secret x", "Bearer first"}},
		"Authorization Bearer, X-Api-Key":                                     {"Authorization": {"Bearer first"}, "X-Api-Key": {"key"}},
		"X-Api-Key, X-Api-Key, X-Api-Key, X-Api-Key":                          {"X-Api-Key": {"1", "2", "3", "4", "5", "6"}},
	} {
		chain, _ := site()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = header
		outcome := chain.Identify(r, true)
		if len(outcome.Details) != 1 || outcome.Details[0] != (authenticator.Detail{Name: "credentials", Value: want}) {
			t.Errorf("got %v, want %s", outcome.Details, want)
		}
	}
}

// TestInsecure: a credential that could be overheard is not even read (R-HTTP-5).
func TestInsecure(t *testing.T) {
	chain, fakes := site()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer first")
	if outcome := chain.Identify(r, false); outcome.Reason != authenticator.ReasonInsecureTransport || outcome.Verdict != authenticator.Rejected {
		t.Errorf("got %+v", outcome)
	}
	if fakes["one"].asked != 0 {
		t.Error("the method was asked")
	}
}

// TestCrossSite: R-CSRF-1. Requests that a browser may have been made to send
// by another site do not count as their user's, unless the site allows that one.
func TestCrossSite(t *testing.T) {
	tests := []struct {
		name          string
		method        string
		authorization string
		header        map[string]string
		refused       bool
	}{
		{"own page", "POST", "Basic good", map[string]string{"Sec-Fetch-Site": "same-origin"}, false},
		{"typed in", "POST", "Basic good", map[string]string{"Sec-Fetch-Site": "none"}, false},
		{"curl", "POST", "Basic good", nil, false},
		{"cross-site", "POST", "Basic good", map[string]string{"Sec-Fetch-Site": "cross-site"}, true},
		{"cross-site, reading", "GET", "Basic good", map[string]string{"Sec-Fetch-Site": "cross-site"}, false},
		{"an old browser, own origin", "POST", "Basic good", map[string]string{"Origin": "https://example.com"}, false},
		{"an old browser, another origin", "POST", "Basic good", map[string]string{"Origin": "https://evil.example"}, true},
		{"null origin", "DELETE", "Basic good", map[string]string{"Origin": "null"}, true},
		{"an allowed origin", "POST", "Basic good", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://friend.example"}, false},
		{"a bearer token is never attached", "POST", "Bearer first", map[string]string{"Sec-Fetch-Site": "cross-site"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			chain, _ := site()
			r := httptest.NewRequest(test.method, "https://example.com/", nil)
			r.Header.Set("Authorization", test.authorization)
			for name, value := range test.header {
				r.Header.Set(name, value)
			}
			outcome := chain.Identify(r, true)
			if got := outcome.Reason == authenticator.ReasonCrossSite; got != test.refused {
				t.Errorf("refused %v, want %v", got, test.refused)
			}
			if test.refused && (outcome.Verdict != authenticator.Rejected || outcome.Identity != nil || outcome.Candidate != "basic") {
				t.Errorf("got %+v", outcome)
			}
		})
	}
}

// TestChallenges: the order within a kind stays, and an error stands only beside the
// scheme that failed.
//
// R-CH-1, R-CH-2, R-BR-2, R-BR-3, R-BR-4, R-BR-5, R-BR-6, R-BR-7, R-SU-2
func TestChallenges(t *testing.T) {
	chain, _ := site()
	text := func(d authenticator.ChallengeRequest) string {
		var lines []string
		for _, c := range chain.Challenges(d) {
			lines = append(lines, c.Scheme+"/"+param(c, "error")+"/"+param(c, "scope")+"/"+param(c, "acr_values")+"/"+param(c, "max_age"))
		}
		return strings.Join(lines, " ")
	}
	tests := []struct {
		name   string
		demand authenticator.ChallengeRequest
		want   string
	}{
		{"nothing presented", authenticator.ChallengeRequest{MaxAge: -1}, "Bearer//// basic//// key////"},
		{"a bad token", authenticator.ChallengeRequest{Method: "two", Verdict: authenticator.Rejected, Reason: "token_expired", MaxAge: -1}, "Bearer/invalid_token/// basic//// key////"},
		{"a bad password", authenticator.ChallengeRequest{Method: "basic", Verdict: authenticator.Rejected, Reason: "credentials_invalid", MaxAge: -1}, "Bearer//// basic//// key////"},
		{"a malformed token", authenticator.ChallengeRequest{Method: "one", Verdict: authenticator.Malformed, Reason: "token_malformed", MaxAge: -1}, "Bearer/invalid_request/// basic//// key////"},
		{"two credentials", authenticator.ChallengeRequest{Verdict: authenticator.Malformed, Reason: "credentials_ambiguous", MaxAge: -1}, "Bearer/invalid_request/// basic//// key////"},
		{"an ambiguous path", authenticator.ChallengeRequest{Verdict: authenticator.Malformed, Reason: "path_ambiguous", MaxAge: -1}, "Bearer//// basic//// key////"},
		{"missing scopes", authenticator.ChallengeRequest{Method: "one", Verdict: authenticator.Accepted, Reason: "insufficient_scope", Scopes: []string{"a", "b"}, MaxAge: -1}, "Bearer/insufficient_scope/a b// basic//// key////"},
		{"step up", authenticator.ChallengeRequest{Method: "two", Verdict: authenticator.Accepted, Reason: "step_up_required", ACRValues: []string{"phr", "phrh"}, MaxAge: 300}, "Bearer/insufficient_user_authentication//phr phrh/300 basic//// key////"},
		{"step up at once", authenticator.ChallengeRequest{Method: "two", Verdict: authenticator.Accepted, Reason: "step_up_required", MaxAge: 0}, "Bearer/insufficient_user_authentication///0 basic//// key////"},
		{"step up and missing scopes", authenticator.ChallengeRequest{Method: "two", Verdict: authenticator.Accepted, Reason: "step_up_required", ACRValues: []string{"phr"}, Scopes: []string{"a", "b"}, MaxAge: -1}, "Bearer/insufficient_user_authentication/a b/phr/ basic//// key////"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := text(test.demand); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestChainHeaders(t *testing.T) {
	chain, _ := site()
	if got := chain.Headers(); !slices.Equal(got, []string{"Authorization", "X-Api-Key"}) {
		t.Errorf("got %q", got)
	}
	if nobody, err := NewChain(nil, nil); err != nil || !chain.Challenged() || nobody.Challenged() {
		t.Error("which chains can be asked for is wrong")
	}
}

// FuzzCutScheme: no line of Authorization panics the parser, and whatever is
// taken for a well-formed bearer token is one (T-66).
func FuzzCutScheme(f *testing.F) {
	for _, seed := range []string{"Bearer x", "bearer", "Basic Zm9v", "Bearer\tx", "Bearer a,Bearer b", " Bearer x", "Béarer x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		value, ok := cutScheme(line, "bearer")
		if !ok {
			return
		}
		c := authenticator.Credential{Source: authenticator.FromScheme("Bearer"), Value: value}
		if wellFormed(c) && strings.ContainsAny(value, " \t,\"\r\n\x00") {
			t.Errorf("%q passes for a token", value)
		}
	})
}

// TestN58BearerSyntax: what follows Bearer and is no token is named in the log, and not
// shown.
func TestN58BearerSyntax(t *testing.T) {
	chain, _ := site()
	for value, want := range map[string]string{`"first"`: "in quotes", "'first'": "in quotes", "": "nothing follows", "fi rst": "is no token"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+value)
		outcome := chain.Identify(r, true)
		if outcome.Verdict != authenticator.Malformed || len(outcome.Details) != 1 || !strings.Contains(outcome.Details[0].Value, want) || strings.Contains(outcome.Details[0].Value, "first") {
			t.Errorf("%q: %+v", value, outcome)
		}
	}
}

// BenchmarkIdentify is gated by TestIdentifyAllocations.
func BenchmarkIdentify(b *testing.B) {
	chain, _ := site()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Foo bar")
	b.ReportAllocs()
	for b.Loop() {
		chain.Identify(r, true)
	}
}

// TestIdentifyAllocations: finding out that nobody is calling allocates nothing.
func TestIdentifyAllocations(t *testing.T) {
	chain, _ := site()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Foo bar")
	if got := testing.AllocsPerRun(100, func() { chain.Identify(r, true) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// TestN10AmbientCredentials: a cookie that is there twice makes no one known, and a
// WebSocket with several Origin lines is one of another site, whatever they name.
func TestN10AmbientCredentials(t *testing.T) {
	const own, friend, evil = "https://example.com", "https://friend.example", "https://evil.example"
	tests := []struct {
		name    string
		cookies []string
		origins []string
		verdict authenticator.Verdict
		reason  authenticator.Reason
	}{
		{"one cookie", []string{"id=good"}, []string{own}, authenticator.Accepted, ""},
		{"a cookie twice", []string{"id=good; id=good"}, []string{own}, authenticator.Absent, authenticator.ReasonCredentialsAmbiguous},
		{"a cookie in two lines", []string{"id=good", "id=other"}, []string{own}, authenticator.Absent, authenticator.ReasonCredentialsAmbiguous},
		{"the second cookie is good", []string{"id=other; id=good"}, []string{own}, authenticator.Absent, authenticator.ReasonCredentialsAmbiguous},
		{"an allowed origin", []string{"id=good"}, []string{friend}, authenticator.Accepted, ""},
		{"another origin", []string{"id=good"}, []string{evil}, authenticator.Rejected, authenticator.ReasonCrossSite},
		{"own and another origin", []string{"id=good"}, []string{own, evil}, authenticator.Rejected, authenticator.ReasonCrossSite},
		{"another and the own origin", []string{"id=good"}, []string{evil, own}, authenticator.Rejected, authenticator.ReasonCrossSite},
		{"an allowed and another origin", []string{"id=good"}, []string{friend, evil}, authenticator.Rejected, authenticator.ReasonCrossSite},
		{"the own origin twice", []string{"id=good"}, []string{own, own}, authenticator.Rejected, authenticator.ReasonCrossSite},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			method := Method{Name: "cookie", Authenticator: &fake{name: "cookie", source: authenticator.FromCookie("id"), accept: "good", other: authenticator.Rejected}}
			chain, err := NewChain([]Method{method}, func(origin string) bool { return origin == friend })
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("GET", "https://example.com/", nil)
			r.Header = http.Header{
				"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
				"Cookie": test.cookies, "Origin": test.origins,
			}
			outcome := chain.Identify(r, true)
			if outcome.Verdict != test.verdict || outcome.Reason != test.reason || (outcome.Identity != nil) != (test.verdict == authenticator.Accepted) {
				t.Errorf("got %+v", outcome)
			}
		})
	}
}
