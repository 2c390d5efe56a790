// Package decisionlog has what is logged and kept of decisions, without credentials: an
// [Entry] of OPA's decision log, and a [Refusal], from which `caddy policy-auth explain`
// explains a denied request.
package decisionlog

import (
	"context"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// Entry is a decision in the format of OPA's decision log (OPA's documentation, Decision
// Logs, "Event format"). It has no credential: neither the caller's, which is not in the
// input, nor a text that looks like one, such as in the query of a Referer (T-45).
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

// Event is a decision to be logged.
type Event struct {
	// Decision is the path of the rule that decided, such as data.caddy.authz.allow.
	Decision string
	// Revision names the policies.
	Revision string
	// Document is the input document, of which the ID, the time and the client are taken.
	Document *request.Document
	// Input is the input and Result the value of the decision, nil if it is undefined.
	Input, Result ast.Value
	// Elapsed is how long the evaluation took.
	Elapsed time.Duration
	// Err is the error of a decision that failed, or nil.
	Err error
}

// Rules are the rules data.system.log.mask and data.system.log.drop of the policies; nil is
// a rule that they do not have.
type Rules struct{ Mask, Drop Rule }

// Rule evaluates a rule for an entry. It returns nil if the rule is undefined.
type Rule func(ctx context.Context, entry ast.Value) (ast.Value, error)

// Entry returns the entry of a decision, masked, or false if it is to be dropped. If a rule
// fails, the entry has neither the input nor the result.
func (r Rules) Entry(ctx context.Context, event Event) (*Entry, bool) {
	document := event.Document
	e := &Entry{
		DecisionID: document.Request.ID, Path: strings.ReplaceAll(strings.TrimPrefix(event.Decision, "data."), ".", "/"),
		Bundles:     map[string]map[string]string{"policies": {"revision": event.Revision}},
		RequestedBy: document.Client.IP, Timestamp: time.Unix(0, document.Request.TimeNS).UTC(),
		Metrics: map[string]int64{"timer_rego_query_eval_ns": event.Elapsed.Nanoseconds()},
	}
	if event.Err != nil {
		e.Error = event.Err.Error()
	}
	dropped, err := e.fill(ctx, r, event.Input, event.Result)
	if err != nil {
		e.Input, e.Result, e.Error = nil, nil, "the decision is not shown: "+err.Error()
	}
	return e, !dropped
}

// fill sets the input and the result, without credentials and masked, and reports whether
// to drop the entry.
func (e *Entry) fill(ctx context.Context, rules Rules, input, result ast.Value) (dropped bool, err error) {
	if e.Input, err = native(input); err != nil {
		return false, err
	}
	if e.Result, err = native(result); err != nil {
		return false, err
	}
	e.redact()
	if rules.Mask == nil && rules.Drop == nil {
		return false, nil
	}
	event, err := ast.InterfaceToValue(e)
	if err != nil {
		return false, err
	}
	if dropped, err := rules.Drop.evaluate(ctx, event); err != nil || dropped == true {
		return err == nil, err
	}
	masks, err := rules.Mask.evaluate(ctx, event)
	if err != nil || masks == nil {
		return false, err
	}
	return false, e.maskAll(masks)
}

// evaluate evaluates a rule. It returns nil if the rule is undefined or does not exist.
func (r Rule) evaluate(ctx context.Context, entry ast.Value) (any, error) {
	if r == nil {
		return nil, nil
	}
	value, err := r(ctx, entry)
	if err != nil {
		return nil, err
	}
	return native(value)
}

// redact removes texts that look like credentials from what the client sent and from what
// the policy sets.
func (e *Entry) redact() {
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

// native returns a value as encoding/json decodes it.
func native(value ast.Value) (any, error) {
	if value == nil {
		return nil, nil
	}
	return ast.JSON(value)
}
