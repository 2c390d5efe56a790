package policy

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// entryOf logs the decision of some policies about a request with a credential.
func entryOf(t *testing.T, modules string) (map[string]any, string, bool) {
	t.Helper()
	path := policytest.NewDir(t)
	path.Write("p/authz.rego", "package caddy.authz\n\nallow := {\"allow\": true, \"message\": \"m\"}\n")
	path.Write("p/log.rego", "package system.log\n\n"+modules)
	set := open(t, Config{Sources: []string{path.Path + "/p"}, Timeout: time.Minute})
	in := asked("/a", "")
	decision := set.Decide(t.Context(), in)
	decision.Elapsed = 7
	entry, ok := set.Entry(t.Context(), in, decision)
	if !ok {
		return nil, "", false
	}
	encoded, err := json.Marshal(entry)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	return got, string(encoded), true
}

// TestEntry: T-45. A decision in the shape of OPA's decision log.
func TestEntry(t *testing.T) {
	got, text, ok := entryOf(t, "unrelated := true\n")
	if !ok || got["path"] != "caddy/authz/allow" || got["decision_id"] == "" || got["result"].(map[string]any)["message"] != "m" || got["erased"] != nil {
		t.Errorf("got %s", text)
	}
	for _, want := range []string{`"bundles":{"policies":{"revision":"`, `"metrics":{"timer_rego_query_eval_ns":7}`, `"contract":"caddy/v1"`, `"path":"/a"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

// TestEntryHides: T-45. What looks like a credential is in no line, nor in what a
// mask is asked about, whoever put it there.
func TestEntryHides(t *testing.T) {
	const canary = "canary-4711-test-material-only"
	path := policytest.NewDir(t)
	path.Write("p/authz.rego", `package caddy.authz

allow := {
	"allow": true,
	"headers": {"Authorization": "Bearer `+canary+`", "X-Team": "blue"},
	"response_headers_to_add": {"Set-Cookie": ["a=`+canary+`"]},
	"query_parameters_to_set": {"access_token": "`+canary+`"},
}
`)
	path.Write("p/log.rego", "package system.log\n\ndrop if contains(json.marshal(input), \"canary\")\n")
	set := open(t, Config{Sources: []string{path.Path + "/p"}, Timeout: time.Minute})
	in := askedWith("/a?page=2&access_token="+canary, "Referer", "https://h.example/from?page=1&code="+canary, "X-Vault-Token", canary, "Accept", "text/html")
	entry, ok := set.Entry(t.Context(), in, set.Decide(t.Context(), in))
	if !ok {
		t.Fatal("the rules of the log see a credential")
	}
	encoded, err := json.Marshal(entry)
	if err != nil {
		t.Fatal(err)
	}
	text := string(encoded)
	if strings.Contains(text, "canary") {
		t.Errorf("a credential is in %s", text)
	}
	for _, want := range []string{`"referer":"https://h.example/from?[redacted]"`, `"page":["2"]`, `"accept":"text/html"`, `"X-Team":"blue"`, `"Authorization":"[redacted]"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

// askedWith returns a request with a query and headers.
func askedWith(target string, header ...string) Input {
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	in := asked("/", "")
	in.Request = request.New(r, request.Metadata{ID: func() string { return "id" }, ClientIP: "192.0.2.1", PeerIP: "192.0.2.1"}, new(request.Config))
	return in
}

// TestEntryMask: masks and drops are the policies' own, and one that fails shows
// nothing.
func TestEntryMask(t *testing.T) {
	tests := []struct {
		name, rules  string
		erased, mask string // joined
		want, hidden string // in the text
	}{
		{"removed", "mask contains \"/input/request/query\"\n", "/input/request/query", "", `"raw_query":""`, `"query":{`},
		{"removed from the result", "mask contains \"/result/message\"\n", "/result/message", "", `"result":{"allow":true}`, `"message"`},
		{"all of it", "mask contains \"/input\"\n", "/input", "", `"result"`, `"contract"`},
		{"replaced", "mask contains {\"op\": \"upsert\", \"path\": \"/input/request/host\", \"value\": \"**\"} if input.path == \"caddy/authz/allow\"\n", "", "/input/request/host", `"host":"**"`, "example.com"},
		{"nowhere", "mask contains \"/input/no/where\"\n", "", "", `"contract"`, "where"},
		{"escaped", "mask contains \"/input/request/header_values/a~1b~0c\"\n", "", "", `"contract"`, "nothing"},
		{"undefined", "mask contains \"/input\" if false\n", "", "", `"contract"`, "nothing"},
		{"a bad path", "mask contains \"/labels/x\"\n", "", "", "the decision is not shown", `"contract"`},
		{"a bad operation", "mask contains {\"op\": \"add\", \"path\": \"/input/x\"}\n", "", "", "op is remove or upsert", `"contract"`},
		{"a bad member", "mask contains 1\n", "", "", "want paths such as", `"contract"`},
		{"no set", "mask := 1\n", "", "", "is not a set", `"contract"`},
		{"an error", "mask contains 1 / input.zero if input.path\n\nzero := 0\n\nmask contains x if {\n\tx := 1 / zero\n}\n", "", "", "the decision is not shown", `"contract"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, text, ok := entryOf(t, test.rules)
			if !ok || !strings.Contains(text, test.want) || strings.Contains(text, test.hidden) {
				t.Errorf("got %s", text)
			}
			joined := func(name string) string {
				var paths []string
				for _, path := range asList(got[name]) {
					paths = append(paths, path.(string))
				}
				return strings.Join(paths, " ")
			}
			if joined("erased") != test.erased || joined("masked") != test.mask {
				t.Errorf("erased %v, masked %v", got["erased"], got["masked"])
			}
		})
	}
}

func asList(value any) []any {
	list, _ := value.([]any)
	return list
}

// TestEntryDrop: a decision may be kept out of the log.
func TestEntryDrop(t *testing.T) {
	if _, _, ok := entryOf(t, "drop if input.input.request.path == \"/a\"\n"); ok {
		t.Error("it is logged")
	}
	if _, _, ok := entryOf(t, "drop if input.input.request.path == \"/b\"\n"); !ok {
		t.Error("it is not logged")
	}
	if _, ok := open(t, Config{}).Entry(t.Context(), asked("/", ""), Decision{}); ok {
		t.Error("a decision that no policy made is logged")
	}
}
