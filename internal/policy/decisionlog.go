package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// Entry is a decision in the shape of OPA's decision log (Decision Logs, "Event
// format"). No credential is in it: not the caller's, which is not in the input,
// nor what looks like one elsewhere, such as in a Referer's query (T-45).
type Entry struct {
	DecisionID  string                       `json:"decision_id"`
	Bundles     map[string]map[string]string `json:"bundles"`
	Path        string                       `json:"path"`
	Input       any                          `json:"input,omitempty"`
	Result      any                          `json:"result,omitempty"`
	Erased      []string                     `json:"erased,omitempty"`
	Masked      []string                     `json:"masked,omitempty"`
	Error       string                       `json:"error,omitempty"`
	RequestedBy string                       `json:"requested_by"`
	Timestamp   time.Time                    `json:"timestamp"`
	Metrics     map[string]int64             `json:"metrics"`
}

// logRules are the policies that judge what the decision log shows.
type logRules struct{ mask, drop *rego.PreparedEvalQuery }

// Entry returns a decision for the log, as data.system.log.mask and drop have it;
// it is false for one that is not to be logged. A mask that fails hides the
// whole input and result.
func (s *Engine) Entry(ctx context.Context, in Input, d Decision) (*Entry, bool) {
	by := d.origin.snapshot
	if by == nil {
		return nil, false // no policy was asked
	}
	document := in.Request.Document(d.origin.reading, in.Identity, in.Failure, in.Config.values, request.AllFields)
	e := &Entry{
		DecisionID: document.Request.ID, Path: strings.ReplaceAll(strings.TrimPrefix(s.config.Decision, "data."), ".", "/"),
		Bundles:     map[string]map[string]string{"policies": {"revision": by.revision}},
		RequestedBy: document.Client.IP, Timestamp: time.Unix(0, document.Request.TimeNS).UTC(),
		Metrics: map[string]int64{"timer_rego_query_eval_ns": d.Elapsed.Nanoseconds()},
	}
	if d.Err != nil {
		e.Error = d.Err.Error()
	}
	input := whole.term(&document, in.Config.term, nil)
	if by.envoy {
		input = withEnvoy(input, in.Request.Envoy(d.origin.reading, in.Config.values, false))
	}
	dropped, err := e.judge(ctx, by, input.Value, by.valueOf(d.Decision))
	if err != nil {
		e.Input, e.Result, e.Error = nil, nil, "the decision is not shown: "+err.Error()
	}
	return e, !dropped
}

// judge fills in input and result, without credentials and masked, and reports
// whether to drop the entry.
func (e *Entry) judge(ctx context.Context, by *snapshot, input, result ast.Value) (dropped bool, err error) {
	if e.Input, err = native(input); err != nil {
		return false, err
	}
	if e.Result, err = native(result); err != nil {
		return false, err
	}
	e.hide()
	if by.log.mask == nil && by.log.drop == nil {
		return false, nil
	}
	event, err := ast.InterfaceToValue(e)
	if err != nil {
		return false, err
	}
	if dropped, err := by.ask(ctx, by.log.drop, event); err != nil || dropped == true {
		return err == nil, err
	}
	masks, err := by.ask(ctx, by.log.mask, event)
	if err != nil || masks == nil {
		return false, err
	}
	return false, e.maskAll(masks)
}

// hide takes out what looks like a credential, in whatever the caller sent and in
// what the policy has written.
func (e *Entry) hide() {
	if document, ok := e.Input.(map[string]any); ok {
		request.RedactSecrets(document)
	}
	result, _ := e.Result.(map[string]any)
	for _, name := range []string{"headers", "response_headers_to_add", "query_parameters_to_set"} {
		written, _ := result[name].(map[string]any)
		for name := range written {
			if request.IsSecretName(name) {
				written[name] = request.Redacted
			}
		}
	}
}

func native(value ast.Value) (any, error) {
	if value == nil {
		return nil, nil
	}
	return ast.JSON(value)
}

// ask evaluates a rule of the log; nil is a rule that is not there or undefined.
func (s *snapshot) ask(ctx context.Context, query *rego.PreparedEvalQuery, event ast.Value) (any, error) {
	if query == nil {
		return nil, nil
	}
	allotted := s.span(defaultTimeout)
	options := append(slices.Clip(s.options), rego.EvalParsedInput(event), rego.EvalExternalCancel(newLimit(ctx, allotted.end, allotted.max)))
	results, err := query.Eval(ctx, options...)
	if err != nil || len(results) == 0 {
		return nil, err
	}
	value, _ := results[0].Expressions[0].Value.(ast.Value)
	return native(value)
}

// maskAll applies the members of the mask: JSON pointers of what to remove, or
// {op, path, value}.
func (e *Entry) maskAll(masks any) error {
	list, ok := masks.([]any)
	if !ok {
		return errors.New(bundle.MaskRule + " is not a set")
	}
	for _, item := range list {
		rule, ok := item.(map[string]any)
		if path, isPath := item.(string); isPath {
			rule, ok = map[string]any{"op": "remove", "path": path}, true
		}
		path, _ := rule["path"].(string)
		if !ok || path == "" {
			return errors.New(bundle.MaskRule + ": want paths such as /input/identity/email, or {op, path, value}")
		}
		if err := e.mask(rule["op"], path, rule["value"]); err != nil {
			return fmt.Errorf("%s: %s: %w", bundle.MaskRule, path, err)
		}
	}
	return nil
}

// mask applies one rule. A path that leads nowhere changes nothing.
func (e *Entry) mask(op any, path string, value any) error {
	names := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i := range names {
		names[i] = pointerText.Replace(names[i])
	}
	root := map[string]any{"input": e.Input, "result": e.Result}
	if _, known := root[names[0]]; !known {
		return errors.New("want a path below /input or /result")
	}
	parent := walk(root, names[:len(names)-1])
	last := names[len(names)-1]
	switch _, there := parent[last]; {
	case op == "remove" && there:
		delete(parent, last)
		e.Erased = append(e.Erased, path)
	case op == "upsert" && parent != nil:
		parent[last] = value
		e.Masked = append(e.Masked, path)
	case op != "remove" && op != "upsert":
		return errors.New("op is remove or upsert")
	}
	e.Input, e.Result = root["input"], root["result"]
	return nil
}

// pointerText undoes a JSON pointer's escapes (RFC 6901, section 4).
var pointerText = strings.NewReplacer("~1", "/", "~0", "~")

// walk follows names down from an object, or returns nil.
func walk(from map[string]any, names []string) map[string]any {
	for _, name := range names {
		from, _ = from[name].(map[string]any)
	}
	return from
}

// prepareLog prepares the rules of the log, if there are any.
func (s *snapshot) prepareLog(ctx context.Context, options []func(*rego.Rego)) error {
	for path, target := range map[string]**rego.PreparedEvalQuery{bundle.MaskRule: &s.log.mask, bundle.DropRule: &s.log.drop} {
		if len(s.compiler.GetRulesWithPrefix(bundle.Ref(path))) == 0 {
			continue
		}
		query, err := prepareQuery(ctx, bundle.Ref(path), options)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		*target = &query
	}
	return nil
}
