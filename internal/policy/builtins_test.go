package policy

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
)

// TestForbiddenBuiltins: T-49, what reaches out is not there, nor by mocking.
func TestForbiddenBuiltins(t *testing.T) {
	calls := map[string]string{
		"http.send":          `http.send({"method": "get", "url": "http://127.0.0.1:1"})`,
		"net.lookup_ip_addr": `net.lookup_ip_addr("localhost")`,
		"opa.runtime":        `opa.runtime()`,
	}
	for name, call := range calls {
		path := policytest.NewDir(t).Write("authz.rego", "package caddy.authz\n\nallow if "+call+"\n")
		refused(t, Config{Sources: []string{path}}, "undefined function "+name, "authz.rego:3")
		for other := range calls {
			if other != name {
				refused(t, Config{Sources: []string{path}, AllowBuiltins: []string{other}}, "undefined function "+name)
			}
		}
		open(t, Config{Sources: []string{path}, AllowBuiltins: []string{name}})
		for _, mock := range []string{
			"f(x) := x\n\nallow if startswith(\"a\", \"b\") with startswith as " + name,
			"allow if " + call + " with " + name + " as true",
			"g(x) := 1\n\nallow if g(1) with data.caddy.authz.g as " + name,
		} {
			refused(t, Config{Sources: []string{policytest.NewDir(t).Write("authz.rego", "package caddy.authz\n\n"+mock+"\n")}})
		}
	}
	if got := policyOf(t, "package caddy.authz\n\nallow if net.cidr_contains(\"192.0.2.0/24\", input.client.ip)\n").Decide(t.Context(), asked("/", "")); !got.Allow {
		t.Errorf("net.cidr_contains is off: %+v", got)
	}
}

// TestRuntime: the environment of the process is nowhere, even if opa.runtime is allowed (T-49).
func TestRuntime(t *testing.T) {
	t.Setenv("POLICY_TEST_VARIABLE", "visible")
	path := policytest.NewDir(t).Write("a.rego", "package caddy.authz\n\nallow if opa.runtime() == {}\n")
	if got := open(t, Config{Sources: []string{path}, AllowBuiltins: []string{"opa.runtime"}}).Decide(t.Context(), asked("/", "")); !got.Allow {
		t.Errorf("got %+v", got)
	}
}

// TestSend: where http.send is allowed, the policy's limit cuts it off too.
func TestSend(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
	}))
	defer server.Close()
	defer close(release)
	path := policytest.NewDir(t).Write("a.rego", "package caddy.authz\n\nallow if http.send({\"method\": \"get\", \"url\": concat(\"\", [input.config.url, input.request.path])}).status_code == 200\n")
	set := open(t, Config{Sources: []string{path}, AllowBuiltins: []string{"http.send"}, Timeout: 300 * time.Millisecond})
	in := asked("/quick", "")
	in.Config = NewConstants(map[string]any{"url": server.URL})
	if got := set.Decide(t.Context(), in); !got.Allow {
		t.Errorf("quick: %+v", got)
	}
	none := asked("/s3cret", "")
	none.Config = NewConstants(map[string]any{"url": "http://127.0.0.1:1"})
	if got := set.Decide(t.Context(), none); got.Allow || got.Err == nil || !strings.Contains(got.Err.Error(), `http.send: Get "…": dial tcp`) {
		t.Errorf("no server: %+v", got)
	}
	slow := asked("/slow", "")
	slow.Config = in.Config
	start := time.Now()
	if got := set.Decide(t.Context(), slow); got.Allow || got.Reason != authenticator.ReasonPolicyTimeout {
		t.Errorf("slow: %+v", got)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("it was cut off after %s only", took)
	}
}

// TestOneTime: T-04, the time is for all readings of a path together.
func TestOneTime(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(100 * time.Millisecond) }))
	defer server.Close()
	path := policytest.NewDir(t).Write("a.rego", "package caddy.authz\n\nallow if http.send({\"method\": \"get\", \"url\": input.config.url}).status_code == 200\n")
	set := open(t, Config{Sources: []string{path}, AllowBuiltins: []string{"http.send"}, Timeout: 350 * time.Millisecond})
	in := asked("/a;b//c%2fd", "")
	in.Config = NewConstants(map[string]any{"url": server.URL})
	if readings := len(in.Request.Readings()); readings < 8 {
		t.Fatalf("%d readings", readings)
	}
	if got := set.Decide(t.Context(), in); got.Allow || got.Reason != authenticator.ReasonPolicyTimeout {
		t.Errorf("got %+v", got)
	}
}

// TestSchemaReferences: T-49, a schema reaches no other host either, wherever
// it comes from and whenever it is read, also where http.send is on.
func TestSchemaReferences(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte(`{"type": "string"}`)) // a closed connection is seen by the test below
	}))
	defer server.Close()
	reference := `{"$ref": "` + server.URL + `/schema.json"}`
	tests := map[string]string{
		"verify":            "allow := json.verify_schema(" + reference + ")[0]\n",
		"match":             "allow := json.match_schema(\"\\\"x\\\"\", " + reference + ")[0]\n",
		"match, made late":  "allow := json.match_schema(\"\\\"x\\\"\", {input.config.key: \"" + server.URL + "/s\"})[0]\n",
		"an annotation":     "# METADATA\n# schemas:\n#   - input: " + reference + "\nallow := input.request.path == \"/no\"\n",
		"behind a negation": "allow if not json.match_schema(\"1\", " + reference + ")[0]\n",
	}
	decide := func(source string, builtins ...string) Decision {
		path := policytest.NewDir(t).Write("a.rego", "package caddy.authz\n\n"+source)
		in := Input{Request: queryOf("/"), Identity: authenticator.Anonymous(), Config: NewConstants(map[string]any{"key": "$ref"})}
		return open(t, Config{Sources: []string{path}, AllowBuiltins: builtins, Timeout: time.Minute}).Decide(t.Context(), in)
	}
	for name, source := range tests {
		for _, builtins := range [][]string{nil, {"net.lookup_ip_addr", "opa.runtime"}, {"http.send"}} {
			if got := decide(source, builtins...); got.Allow || asked.Load() > 0 {
				t.Errorf("%s: %d requests, %+v", name, asked.Load(), got)
			}
		}
	}
}
