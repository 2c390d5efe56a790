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

// Response is why a request is allowed or denied. It holds no credential.
type Response struct {
	// Explanation is that of the reading of the path that decides: the first that
	// is denied, or else the first.
	Explanation
	// Request is what was asked for.
	Request Asked `json:"request"`
	// Caller is who asked, as input.identity; null if the input has none.
	Caller map[string]any `json:"caller"`
	// Changes say what was changed about the caller.
	Changes []string `json:"changes,omitempty"`
	// Notes are what else the reader should know.
	Notes []string `json:"notes,omitempty"`
	// Refusal is how the server refused the request; nil if it was not asked about
	// one.
	Refusal *decisionlog.Refusal `json:"refusal,omitempty"`
}

// Asked is a request in short.
type Asked struct {
	ID       string `json:"id,omitempty"`
	Method   string `json:"method"`
	URL      string `json:"url"`
	ClientIP string `json:"client_ip"`
}

// About answers for a request that was refused.
func About(ctx context.Context, set *policy.Engine, refusal decisionlog.Refusal, changes Changes) (Response, error) {
	shown := refusal
	shown.Input = nil
	if !refusal.Judged && !changes.Any() {
		return unjudged(shown), nil
	}
	document, err := decode(refusal.Input)
	if err != nil {
		return Response{}, fmt.Errorf("the request was not kept: %w", err)
	}
	answer, err := ask(ctx, set, document, changes)
	answer.Refusal = &shown
	answer.note(refusal.Cut, "the request was so large that long texts in it were not kept")
	answer.note(!refusal.Judged, "the request was refused before policies were asked: %s", refusal.Reason)
	answer.note(refusal.Judged && answer.Revision != refusal.Revision, "the policies are not those that refused it: revision %s then, %s now", refusal.Revision, answer.Revision)
	answer.note(hasBody(document), "the body of a request is not kept: for a policy that reads it, it is absent here")
	answer.note(!changes.Any() && refusal.Judged && answer.Revision == refusal.Revision && answer.Allow,
		"the server refused it, and the same policies allow it as it was kept: they read what is not kept, or what has changed since")
	return answer, err
}

// hasBody reports whether a request had a body.
func hasBody(document map[string]any) bool {
	fields, _ := document["request"].(map[string]any)
	length, _ := fields["content_length"].(json.Number)
	return length != "" && length != "0"
}

// unjudged answers for a request that no policy was asked about.
func unjudged(r decisionlog.Refusal) Response {
	return Response{
		Explanation: Explanation{Reason: r.Reason, Codes: r.Codes, Error: r.Error, Evaluation: NoRules()},
		Request:     Asked{ID: r.ID, Method: r.HTTPMethod, URL: r.Host + r.Path, ClientIP: r.ClientIP},
		Refusal:     &r,
		Notes:       []string{"it was refused before policies were asked; to see what they would say of a caller, name one with --as"},
	}
}

func (a *Response) note(when bool, format string, args ...any) {
	if when {
		a.Notes = append(a.Notes, fmt.Sprintf(format, args...))
	}
}

// Ask answers a question about a description or an input document.
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
		answer.note(len(documents) > 1, "the path can be read in %d ways, and all must be allowed; this is about %s", len(documents), answer.Request.URL)
		if !answer.Allow {
			return answer, nil
		}
		if first == nil {
			first = &answer
		}
	}
	if first == nil {
		return Response{}, errors.New("the request has no path to judge")
	}
	return *first, nil
}

// ambiguous answers for a path that is refused for every caller.
func ambiguous(r *http.Request, client string, flag request.Flag) Response {
	return Response{
		Explanation: Explanation{Reason: authenticator.ReasonPathAmbiguous, Codes: []string{string(flag)}, Evaluation: NoRules()},
		Request:     Asked{Method: r.Method, URL: r.Host + r.URL.EscapedPath(), ClientIP: client},
		Notes:       []string{fmt.Sprintf("the path has the flag %s and is refused with 400 before the caller is identified, unless allow_ambiguous_paths names the flag", flag)},
	}
}

// ask asks the policies about one input document.
func ask(ctx context.Context, set *policy.Engine, document map[string]any, changes Changes) (Response, error) {
	hidden := request.RedactSecrets(document)
	said, err := changes.apply(document)
	if err != nil {
		return Response{}, err
	}
	answer := Response{Request: inShort(document), Changes: said}
	answer.Caller, _ = document["identity"].(map[string]any)
	for _, name := range hidden {
		answer.note(true, "%s looks like a credential: its value is not used; say who is calling by as or identity", name)
	}
	answer.Explanation, err = Explain(ctx, set, document)
	answer.note(readsCredential(answer.Explanation), "a condition reads a credential, which is redacted in what is kept of a request: it is explained "+
		"as if the credential were the text %s; read input.identity instead", request.Redacted)
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
