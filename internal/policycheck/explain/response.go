package explain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisionlog"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// Response explains why a request is allowed or denied. It has no credentials.
type Response struct {
	// Explanation is about the reading of the path that decides: the first that is denied,
	// or else the first.
	Explanation
	// Request is the request in short.
	Request Asked `json:"request"`
	// Caller is the caller, as input.identity; null if the input has none.
	Caller map[string]any `json:"caller"`
	// Changes describe the changes of the caller.
	Changes []string `json:"changes,omitempty"`
	// Notes are remarks about the limits of the explanation.
	Notes []string `json:"notes,omitempty"`
	// Refusal is the recorded denial; nil if the explanation is not about one.
	Refusal *decisionlog.Refusal `json:"refusal,omitempty"`
}

// Asked is a request in short.
type Asked struct {
	ID       string `json:"id,omitempty"`
	Method   string `json:"method"`
	URL      string `json:"url"`
	ClientIP string `json:"client_ip"`
}

// About explains a request that was denied.
func About(ctx context.Context, set *policy.Engine, refusal decisionlog.Refusal, changes Changes) (Response, error) {
	shown := refusal
	shown.Input = nil
	if !refusal.Judged && !changes.Any() {
		return unjudged(shown), nil
	}
	document, err := decode(refusal.Input)
	if err != nil {
		return Response{}, fmt.Errorf("the input of the request was not kept: %w", err)
	}
	answer, err := ask(ctx, set, document, changes)
	answer.Refusal = &shown
	answer.note(refusal.Cut, "the request was too large to be kept completely: long texts are cut")
	answer.note(!refusal.Judged, "the request was denied before policies were evaluated: %s", refusal.Reason)
	answer.note(refusal.Judged && answer.Revision != refusal.Revision, "the policies have changed since the denial: revision %s then, %s now", refusal.Revision, answer.Revision)
	answer.note(hasBody(document), "bodies of requests are not kept: a policy that reads the body sees none here")
	answer.note(!changes.Any() && refusal.Judged && answer.Revision == refusal.Revision && answer.Allow,
		"the server denied the request, but the same policies allow what was kept of it: they read something that is not kept, or that has changed since")
	return answer, err
}

// hasBody reports whether a request had a body.
func hasBody(document map[string]any) bool {
	fields, _ := document["request"].(map[string]any)
	length, _ := fields["content_length"].(json.Number)
	return length != "" && length != "0"
}

// unjudged explains a request that was denied before policies were evaluated.
func unjudged(r decisionlog.Refusal) Response {
	return Response{
		Explanation: Explanation{Reason: r.Reason, Codes: r.Codes, Error: r.Error, Evaluation: NoRules()},
		Request:     Asked{ID: r.ID, Method: r.HTTPMethod, URL: r.Host + r.Path, ClientIP: r.ClientIP},
		Refusal:     &r,
		Notes:       []string{"the request was denied before policies were evaluated; to see what they decide about a caller, use --as"},
	}
}

func (a *Response) note(when bool, format string, args ...any) {
	if when {
		a.Notes = append(a.Notes, fmt.Sprintf(format, args...))
	}
}

// Ask explains the decision about a described request or an input document.
func Ask(ctx context.Context, set *policy.Engine, q Request) (Response, error) {
	if q.Input != nil {
		return ask(ctx, set, q.Input, q.Changes)
	}
	asked, in, err := q.input()
	if err != nil {
		return Response{}, err
	}
	if flag := in.Request.RejectedFlag(); flag != "" {
		return ambiguous(asked, q.ClientIP, flag), nil
	}
	documents, err := set.Documents(in)
	if err != nil {
		return Response{}, err
	}
	var first *Response
	for _, document := range documents {
		decoded, err := decode(document)
		if err != nil {
			return Response{}, err
		}
		answer, err := ask(ctx, set, decoded, q.Changes)
		if err != nil {
			return answer, err
		}
		answer.note(len(documents) > 1, "the path can be read in %d ways, all of which must be allowed; this is about %s", len(documents), answer.Request.URL)
		if !answer.Allow {
			return answer, nil
		}
		if first == nil {
			first = &answer
		}
	}
	if first == nil {
		return Response{}, errors.New("the request has no path")
	}
	return *first, nil
}

// ambiguous explains a path that is rejected for every caller.
func ambiguous(r *http.Request, client string, flag request.Flag) Response {
	return Response{
		Explanation: Explanation{Reason: authenticator.ReasonPathAmbiguous, Codes: []string{string(flag)}, Evaluation: NoRules()},
		Request:     Asked{Method: r.Method, URL: r.Host + r.URL.EscapedPath(), ClientIP: client},
		Notes:       []string{fmt.Sprintf("the path has the flag %s and is rejected with 400 before the caller is identified, unless allow_ambiguous_paths names the flag", flag)},
	}
}

// ask explains the decision about an input document.
func ask(ctx context.Context, set *policy.Engine, document map[string]any, changes Changes) (Response, error) {
	hidden := request.RedactSecrets(document)
	said, err := changes.apply(document)
	if err != nil {
		return Response{}, err
	}
	answer := Response{Request: inShort(document), Changes: said}
	answer.Caller, _ = document["identity"].(map[string]any)
	for _, name := range hidden {
		answer.note(true, "%s looks like a credential, so its value is not used; set the caller with as or identity", name)
	}
	answer.Explanation, err = Explain(ctx, set, document)
	answer.note(readsCredential(answer.Explanation), "a condition reads a credential, which is redacted in recorded requests: it is explained "+
		"with the text %s instead; read input.identity in policies", request.Redacted)
	return answer, err
}

// readsCredential reports whether a condition that counts was told a credential's
// place or takes a token apart.
func readsCredential(e Explanation) bool {
	content, err := json.Marshal(e)
	return err == nil && (bytes.Contains(content, []byte(request.Redacted)) || bytes.Contains(content, []byte("io.jwt.")))
}

// defaultPorts are the ports that a URL leaves out.
var defaultPorts = map[string]json.Number{"http": "80", "https": "443"}

// inShort returns a document's request in short; of a document in another shape,
// what there is.
func inShort(document map[string]any) Asked {
	fields, _ := document["request"].(map[string]any)
	client, _ := document["client"].(map[string]any)
	text := func(from map[string]any, name string) string {
		value, _ := from[name].(string)
		return value
	}
	scheme, host := text(fields, "scheme"), text(fields, "host")
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port, ok := fields["port"].(json.Number); ok && host != "" && port != "0" && port != defaultPorts[scheme] {
		host += ":" + port.String()
	}
	asked := Asked{ID: text(fields, "id"), Method: text(fields, "method"), URL: host + text(fields, "path"), ClientIP: text(client, "ip")}
	if scheme != "" && asked.URL != "" {
		asked.URL = scheme + "://" + asked.URL
	}
	return asked
}

// decode reads an input document.
func decode(content []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var document map[string]any
	err := decoder.Decode(&document)
	return document, err
}
