package counterexample

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/lint"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// baseInput returns the complete input for GET / by an anonymous caller.
func baseInput(envoy bool) (map[string]any, error) {
	r, err := http.NewRequest(http.MethodGet, "https://app.example.com/", nil)
	if err != nil {
		return nil, err
	}
	r.Proto, r.TLS = "HTTP/2.0", &tls.ConnectionState{Version: tls.VersionTLS13, ServerName: r.Host, NegotiatedProtocol: "h2"}
	facts := request.Metadata{
		ID:       func() string { return "00000000-0000-4000-8000-000000000000" },
		ClientIP: "192.0.2.1", PeerIP: "192.0.2.1", Method: r.Method, URL: r.URL, RequestURI: r.RequestURI, Time: time.Unix(1_700_000_000, 0),
	}
	asked := request.New(r, facts, new(request.Config))
	document := asked.Document(asked.Readings()[0], authenticator.Anonymous(), "", nil, request.AllFields)
	text, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	input, err := bundle.DecodeData("input", text)
	if err == nil && envoy {
		maps.Copy(input, asked.Envoy(asked.Readings()[0], nil, true))
	}
	return input, err
}

// testSamples returns the inputs with which the tests evaluate the policies.
func testSamples(ctx context.Context, b *bundle.Bundle) ([]Sample, error) {
	if len(b.Tests) == 0 {
		return nil, nil
	}
	l := &listener{judged: lint.Reachable(b.Program.Compiler, b.Program.Decision), seen: map[string]bool{}}
	err := testrun.Trace(ctx, b, l)
	return l.samples, err
}

// maxHeard is the maximum number of inputs that are taken from tests.
const maxHeard = 1000

// listener records the inputs with which tests evaluate policies.
type listener struct {
	judged  map[string]bool
	mu      sync.Mutex
	test    string // that is run
	seen    map[string]bool
	samples []Sample
}

// Enabled implements topdown.QueryTracer.
func (*listener) Enabled() bool { return true }

// Config implements topdown.QueryTracer.
func (*listener) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent implements topdown.QueryTracer.
func (l *listener) TraceEvent(event topdown.Event) {
	rule, ok := event.Node.(*ast.Rule)
	if !ok || event.Op != topdown.EnterOp {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.HasPrefix(rule.Head.Name.String(), tester.TestPrefix) {
		l.test = fmt.Sprintf("%s:%d", rule.Location.File, rule.Location.Row)
	}
	if input := event.Input(); input != nil && l.judged[rule.Location.File] && len(l.samples) < maxHeard {
		l.hear(input)
	}
}

func (l *listener) hear(input *ast.Term) {
	text := input.String()
	if l.seen[text] {
		return
	}
	l.seen[text] = true
	if object, err := ast.JSON(input.Value); err == nil {
		if document, ok := object.(map[string]any); ok {
			l.samples = append(l.samples, Sample{Name: l.test, Input: document})
		}
	}
}
