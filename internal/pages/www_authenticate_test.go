package pages

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/pages/challengetest"
	"github.com/policyauth/caddy-policy-auth/test/vectors"
)

// sent returns the lines that challenges become.
func sent(challenges ...authenticator.Challenge) http.Header {
	h := http.Header{}
	setChallenges(h, sendable(challenges))
	return h
}

// TestChallenges: R-CH-1, R-CH-2, R-CH-3, R-CH-4, R-CH-5, R-CH-7, R-BR-2, R-BR-10, R-BR-11.
func TestChallenges(t *testing.T) {
	tests := []struct {
		name       string
		challenges []authenticator.Challenge
		want       []string
	}{
		{"none", nil, nil},
		{"a realm is quoted", []authenticator.Challenge{challenge("Basic", "realm", "app")}, []string{`Basic realm="app"`}},
		{"quoted-pairs", []authenticator.Challenge{challenge("Basic", "realm", `say "hi" \o/`)}, []string{`Basic realm="say \"hi\" \\o/"`}},
		{"an empty realm", []authenticator.Challenge{challenge("Basic", "realm", "")}, []string{`Basic realm=""`}},
		{"several parameters", []authenticator.Challenge{challenge("Basic", "realm", "a", "charset", "UTF-8")}, []string{`Basic realm="a", charset="UTF-8"`}},
		{
			"one line each, known schemes first",
			[]authenticator.Challenge{challenge("ApiKey", "realm", "a"), challenge("DPoP", "algs", "ES256"), challenge("bearer", "realm", "a"), challenge("Session", "realm", "a"), challenge("BASIC", "realm", "a")},
			[]string{`BASIC realm="a"`, `bearer realm="a"`, `DPoP algs="ES256"`, `ApiKey realm="a"`, `Session realm="a"`},
		},
		{"the order of equals stays", []authenticator.Challenge{challenge("Bearer", "realm", "b"), challenge("Bearer", "realm", "a")}, []string{`Bearer realm="b"`, `Bearer realm="a"`}},
		{"no parameters", []authenticator.Challenge{challenge("Bearer")}, []string{`Bearer realm="restricted"`}},
		{"line breaks", []authenticator.Challenge{challenge("Basic", "realm", "a\r\nSet-Cookie: b=c\x00\x7f")}, []string{`Basic realm="aSet-Cookie: b=c"`}},
		{"not ASCII", []authenticator.Challenge{challenge("Basic", "realm", "Größe\xff")}, []string{`Basic realm="Gre"`}},
		{"nothing is left", []authenticator.Challenge{challenge("Bearer", "realm", "a", "scope", "é\n")}, []string{`Bearer realm="a"`}},
		{
			"no quoted-pairs in RFC 6750's",
			[]authenticator.Challenge{challenge("Bearer", "scope", `a"b c\d`, "error_description", "x\t\"y\"")},
			[]string{`Bearer scope="a'b c'd", error_description="x'y'"`},
		},
		{"lists have one space between words", []authenticator.Challenge{challenge("Bearer", "scope", " é  a\n b ", "acr_values", "é c")}, []string{`Bearer scope="a b", acr_values="c"`}},
		{"lists of nothing", []authenticator.Challenge{challenge("Bearer", "scope", "", "error", "", "acr_values", " ")}, []string{`Bearer realm="restricted"`}},
		{"a parameter twice", []authenticator.Challenge{challenge("Bearer", "realm", "a", "REALM", "b", "scope", "c", "scope", "d")}, []string{`Bearer realm="a", scope="c"`}},
		{"no parameter's name", []authenticator.Challenge{challenge("Bearer", "a b", "x", "", "y", "c\n", "z", "realm", "a")}, []string{`Bearer realm="a"`}},
		{"no scheme", []authenticator.Challenge{challenge("", "realm", "a"), challenge("Be arer", "realm", "a"), challenge("B\n", "realm", "a")}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := sent(test.challenges...)
			if diff := cmp.Diff(test.want, h["Www-Authenticate"]); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got, err := challengetest.Read(h); err != nil || len(got) != len(test.want) {
				t.Errorf("a client reads %v, %v", got, err)
			}
		})
	}
}

// TestChallengesBounds: R-CH-12: at most 4 KiB together; values end with a whole
// word, and what does not fit is left out whole.
func TestChallengesBounds(t *testing.T) {
	many := func(n int) (challenges []authenticator.Challenge) {
		for range n {
			challenges = append(challenges, challenge("Bearer", "realm", strings.Repeat("r ", 200), "scope", strings.Repeat(`s\ `, 400)))
		}
		return challenges
	}
	wide := challenge("Bearer")
	for i := range 200 {
		wide.Params = append(wide.Params, authenticator.Param{Name: strings.Repeat("p", i+1), Value: strings.Repeat(`"`, 100)})
	}
	for name, challenges := range map[string][]authenticator.Challenge{
		"many": many(50), "long": many(1), "wide": {wide, challenge("Basic", "realm", "a")},
		"a long scheme": {challenge(strings.Repeat("x", 5000), "realm", "a"), challenge("Basic", "realm", "a")},
	} {
		t.Run(name, func(t *testing.T) {
			h := sent(challenges...)
			size := 0
			for _, line := range h["Www-Authenticate"] {
				size += len(line)
			}
			if size > maxChallenges {
				t.Errorf("%d bytes", size)
			}
			got, err := challengetest.Read(h)
			if err != nil || len(got) == 0 {
				t.Errorf("a client reads %v, %v", got, err)
			}
		})
	}
	for _, test := range []struct{ name, value, want string }{
		{"words", strings.Repeat("12345678 ", 100), strings.TrimSuffix(strings.Repeat("12345678 ", 57), " ")[:56*9+8]},
		{"exactly", strings.Repeat("a", maxParam), strings.Repeat("a", maxParam)},
		{"exactly a word", strings.Repeat("a", maxParam) + " b", strings.Repeat("a", maxParam)},
		{"one word", strings.Repeat("a", maxParam+1), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, ok := cleanParam("scope", test.value); got != test.want || ok != (test.want != "") {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestChallengeVectors: what RFC 6750, 9110, 9449, 9470 and 9728 print is what a
// client reads of ours, and byte for byte the same where a line is quoted
// throughout (R-CH-1, R-CH-4).
func TestChallengeVectors(t *testing.T) {
	content, err := os.ReadFile(vectors.Path(t, "rfc-examples", "http-auth-rfc-examples.json"))
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(content, &document); err != nil {
		t.Fatal(err)
	}
	examples := collect(document, nil)
	if len(examples) < 8 {
		t.Fatalf("only %d examples", len(examples))
	}
	for _, example := range examples {
		t.Run(example, func(t *testing.T) {
			theirs, err := challengetest.Parse(http.Header{"Www-Authenticate": {example}})
			if err != nil {
				t.Fatal(err)
			}
			var challenges []authenticator.Challenge
			for _, c := range theirs {
				one := authenticator.Challenge{Scheme: c.Scheme}
				for _, name := range []string{"realm", "error", "error_description", "algs", "acr_values", "max_age", "resource_metadata", "type", "title"} {
					if value, ok := c.Params[name]; ok {
						one.Params = append(one.Params, authenticator.Param{Name: name, Value: value})
					}
				}
				if len(one.Params) == 0 {
					c.Params["realm"] = restricted.Value
				}
				challenges = append(challenges, one)
			}
			ours, err := challengetest.Read(sent(challenges...))
			if diff := cmp.Diff(theirs, ours); diff != "" || err != nil {
				t.Errorf("%v (-theirs +ours)\n%s", err, diff)
			}
			if line := formatChallenge(challenges[0]); len(theirs) == 1 && line != example {
				t.Errorf("got  %s\nwant %s", line, example)
			}
		})
	}
}

// collect returns each www_authenticate in a JSON value.
func collect(value any, found []string) []string {
	switch v := value.(type) {
	case map[string]any:
		if line, ok := v["www_authenticate"].(string); ok {
			found = append(found, line)
		}
		for _, member := range v {
			found = collect(member, found)
		}
	case []any:
		for _, item := range v {
			found = collect(item, found)
		}
	}
	return found
}

// TestChallengeInjection: R-CH-5: no payload makes a line of its own, decoded or not.
func TestChallengeInjection(t *testing.T) {
	for _, payload := range vectors.Lines(t, "payloadsallthethings", "crlf") {
		decoded := strings.NewReplacer("%0d", "\r", "%0a", "\n", "%0D", "\r", "%0A", "\n").Replace(payload)
		for _, value := range []string{payload, decoded} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				setChallenges(w.Header(), sendable([]authenticator.Challenge{challenge("Bearer", "realm", value, "scope", value, "error_description", value)}))
				w.WriteHeader(http.StatusUnauthorized)
			}))
			got, err := server.Client().Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			got.Body.Close()
			server.Close()
			if len(got.Cookies()) > 0 || len(got.Header["Www-Authenticate"]) != 1 {
				t.Errorf("%q: got %v", value, got.Header)
			}
		}
	}
}

// FuzzChallenge: R-CH-4, R-CH-5, R-CH-7, R-BR-10: whatever a value is, a client
// reads one parameter with it, or with what of it can be sent.
func FuzzChallenge(f *testing.F) {
	f.Add("Basic", "realm", `say "hi" \o/`)
	f.Add("Bearer", "scope", "a\r\nSet-Cookie: b=c")
	f.Add("DPoP", "error_description", "é\t\"")
	f.Add("x", "title", strings.Repeat(`\"`, 400))
	f.Fuzz(func(t *testing.T, scheme, name, value string) {
		h := sent(challenge(scheme, name, value))
		got, err := challengetest.Parse(h) // any scheme with any parameter
		if err != nil || len(got) > 1 {
			t.Fatalf("a client reads %v, %v of %q", got, err, h)
		}
		for _, line := range h["Www-Authenticate"] {
			if strings.ContainsFunc(line, func(r rune) bool { return r < 0x20 && r != '\t' || r >= 0x7f }) || len(line) > maxChallenges {
				t.Fatalf("got %q", line)
			}
		}
		visible := !strings.ContainsFunc(value, func(r rune) bool { return r < 0x20 && r != '\t' || r >= 0x7f })
		if name == "title" && scheme == "x" && visible && len(value) <= maxParam && got[0].Params["title"] != value {
			t.Fatalf("got %q, want %q", got[0].Params["title"], value)
		}
	})
}

// TestCleanParamTab: a tab stays in parameters of RFC 9110, and not in those of RFC 6750.
func TestCleanParamTab(t *testing.T) {
	for name, want := range map[string]string{"realm": "a\tb", "error_description": "ab"} {
		if got, ok := cleanParam(name, "a\tb"); got != want || !ok {
			t.Errorf("%s: got %q, %v", name, got, ok)
		}
	}
}
