package policy

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/identity"
	"github.com/policyauth/caddy-policy-auth/internal/lint"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/witness"
)

// CheckOptions says what policies are checked with.
type CheckOptions struct {
	// Samples are inputs to begin with, or parts of some, besides those of the
	// tests and those that are made from the policies.
	Samples []witness.Sample
	// Search bounds the search for witnesses.
	Search witness.Options
}

// CheckReport is what was found in some policies that load.
type CheckReport struct {
	// Warnings are what loading warns of, and what the tests are wrong about.
	Warnings []string `json:"warnings"`
	witness.Report
}

// Clean reports whether nothing was found.
func (r CheckReport) Clean() bool { return len(r.Warnings) == 0 && len(r.Findings) == 0 }

// Check loads policies as Open does, judges their tests and looks for requests
// that are refused and that get in once something is missing. An error means
// that the policies do not load, with file and line.
func Check(ctx context.Context, config Config, o CheckOptions) (CheckReport, error) {
	if err := config.Check(); err != nil {
		return CheckReport{}, err
	}
	config = config.Normalized()
	tree, err := files.Read(ctx, files.Options{Paths: config.paths(), Keep: keepTests})
	if err != nil {
		return CheckReport{}, err
	}
	loaded, err := load(config, tree)
	if err != nil {
		return CheckReport{}, err
	}
	m, err := assemble(config, tree, allowed(config.AllowBuiltins))
	if err != nil {
		return CheckReport{}, err
	}
	report := CheckReport{Warnings: append([]string{}, loaded.warnings...)}
	mistakes, err := m.judgeTests(config)
	if err != nil {
		return CheckReport{}, err
	}
	for _, mistake := range mistakes {
		report.Warnings = append(report.Warnings, mistake.String())
	}
	c, err := m.checked(config)
	if err != nil {
		return CheckReport{}, err
	}
	report.Report, err = c.search(ctx, o)
	return report, err
}

// checking is a material whose rules may be changed.
type checking struct {
	*material
	config   Config
	compiler *ast.Compiler
	decision ast.Ref
	store    storage.Store
	txn      storage.Transaction
}

// checked compiles a material that is known to load.
func (m *material) checked(config Config) (*checking, error) {
	data, err := m.object()
	if err != nil {
		return nil, err
	}
	c := &checking{material: m, config: config, decision: refOf(config.Decision), store: inmem.NewFromASTObject(data)}
	if c.txn, err = c.store.NewTransaction(context.Background()); err != nil {
		return nil, err
	}
	c.compiler = ast.NewCompiler().WithCapabilities(allowed(config.AllowBuiltins))
	if c.compiler.Compile(m.modules); c.compiler.Failed() {
		return nil, joinBounded([]error{c.compiler.Errors})
	}
	return c, nil
}

// search looks for witnesses.
func (c *checking) search(ctx context.Context, o CheckOptions) (witness.Report, error) {
	defer c.store.Abort(context.Background(), c.txn)
	base, err := baseInput(c.config.OPAEnvoy)
	if err != nil {
		return witness.Report{}, err
	}
	samples := slices.Clone(o.Samples)
	tested, err := c.testSamples(ctx)
	if err != nil {
		return witness.Report{}, err
	}
	samples = append(samples, tested...)
	for i, sample := range samples {
		samples[i].Input = witness.Complete(sample.Input, base)
	}
	samples = append(samples, witness.Generate(c.compiler, c.decision, base)...)
	judged := reached(c.compiler, c.decision)
	return witness.Search(ctx, witness.Policies{
		Compiler: c.compiler, Decision: c.decision, Files: judged,
		Reads: readsOf(c.compiler, c.decision).reads, Ask: c.ask,
	}, samples, o.Search), nil
}

// ask evaluates the decision; what goes wrong is a refusal, as in a server.
func (c *checking) ask(ctx context.Context, input ast.Value, tracer topdown.QueryTracer) (allow bool) {
	defer func() {
		if recover() != nil {
			allow = false
		}
	}()
	value := ast.VarTerm("value")
	query := topdown.NewQuery(ast.NewBody(ast.Equality.Expr(ast.NewTerm(c.decision), value))).
		WithCompiler(c.compiler).WithStore(c.store).WithTransaction(c.txn).WithInput(ast.NewTerm(input)).
		WithStrictBuiltinErrors(!c.config.OPAEnvoy).WithCancel(newLimit(ctx, time.Now().Add(testTimeout), time.Now().Add(testTimeout)))
	if tracer != nil {
		query = query.WithQueryTracer(tracer)
	}
	results, err := query.Run(ctx)
	if err != nil || len(results) != 1 {
		return false
	}
	decode := decode
	if c.config.OPAEnvoy {
		decode = decodeEnvoy
	}
	return decode(results[0][value.Value.(ast.Var)].Value).Allow
}

// baseInput returns the whole input for an unknown caller of GET /.
func baseInput(envoy bool) (map[string]any, error) {
	r, err := http.NewRequest(http.MethodGet, "https://app.example.com/", nil)
	if err != nil {
		return nil, err
	}
	r.Proto, r.TLS = "HTTP/2.0", &tls.ConnectionState{Version: tls.VersionTLS13, ServerName: r.Host, NegotiatedProtocol: "h2"}
	facts := request.Facts{
		ID:       func() string { return "00000000-0000-4000-8000-000000000000" },
		ClientIP: "192.0.2.1", PeerIP: "192.0.2.1", Original: r, Time: time.Unix(1_700_000_000, 0),
	}
	asked := request.New(r, facts, new(request.Config))
	document := asked.Document(asked.Readings()[0], identity.Anonymous(), "", nil, request.Everything)
	text, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	input, err := decodeData("input", text)
	if err == nil && envoy {
		maps.Copy(input, asked.Envoy(asked.Readings()[0], true))
	}
	return input, err
}

// judgeTests holds the tests to what input is: one that asks with a misspelt
// field would pass and show nothing (T-74).
func (m *material) judgeTests(config Config) ([]lint.Finding, error) {
	if len(m.tests) == 0 || config.OPAEnvoy {
		return nil, nil
	}
	modules := maps.Clone(m.modules)
	maps.Copy(modules, m.tests)
	compiler := ast.NewCompiler().WithCapabilities(allowed(config.AllowBuiltins)).WithEnablePrintStatements(true).SetErrorLimit(maxErrors)
	if compiler.Compile(modules); compiler.Failed() {
		return nil, joinBounded([]error{compiler.Errors})
	}
	judged := reached(compiler, refOf(config.Decision))
	for file := range m.tests {
		judged[file] = true
	}
	findings := lint.Run(lint.Config{Compiler: compiler, Files: judged, Input: m.input, Data: m.shape})
	return slices.DeleteFunc(findings, func(f lint.Finding) bool { return m.tests[f.Location.File] == nil }), nil
}

// testSamples returns the inputs that the tests ask the policies with.
func (c *checking) testSamples(ctx context.Context) ([]witness.Sample, error) {
	if len(c.tests) == 0 {
		return nil, nil
	}
	ctx, release := context.WithTimeout(ctx, testsTimeout)
	defer release()
	l := &listener{judged: reached(c.compiler, c.decision), seen: map[string]bool{}}
	run := testRun{material: c.material, config: c.config, timeout: testTimeout}
	_, err := run.collect(ctx, func(runner *tester.Runner) *tester.Runner {
		return runner.SetParallel(1).SetCoverageQueryTracer(l)
	})
	return l.samples, err
}

// maxHeard bounds how many inputs are taken from tests.
const maxHeard = 1000

// listener notes the inputs with which tests ask policies.
type listener struct {
	judged  map[string]bool
	mu      sync.Mutex
	test    string // that is run
	seen    map[string]bool
	samples []witness.Sample
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
			l.samples = append(l.samples, witness.Sample{Name: l.test, Input: document})
		}
	}
}
