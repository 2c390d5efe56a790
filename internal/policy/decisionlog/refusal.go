package decisionlog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// Refusal is a request that a server denied, without credentials.
type Refusal struct {
	ID     string               `json:"id"`
	Time   time.Time            `json:"time"`
	Status int                  `json:"status"`
	Reason authenticator.Reason `json:"reason"`
	Codes  []string             `json:"codes,omitempty"`
	// Rule is what the policy says decided, or "".
	Rule string `json:"rule,omitempty"`
	// Method is the authenticator that judged the caller's credential; Candidate is
	// the known user or verified subject who was refused; Details are what was expected and received.
	Method    string            `json:"method,omitempty"`
	Candidate string            `json:"candidate,omitempty"`
	Details   map[string]string `json:"details,omitempty"`
	// UserID and Issuer are the caller's, or "".
	UserID string `json:"user_id,omitempty"`
	Issuer string `json:"issuer,omitempty"`
	// Judged says that policies were asked: a credential that is refused is not
	// theirs to judge.
	Judged bool `json:"judged"`
	// Set and Revision name the policies.
	Set      string `json:"set"`
	Revision string `json:"revision"`
	// Error is what went wrong inside, or "".
	Error string `json:"error,omitempty"`
	// HTTPMethod, Host, Path and ClientIP are the request's.
	HTTPMethod string `json:"http_method"`
	Host       string `json:"host"`
	Path       string `json:"path"`
	ClientIP   string `json:"client_ip"`
	// Cut says that long texts of the input were shortened or left out.
	Cut bool `json:"cut,omitempty"`
	// Input is the input document, without the body.
	Input json.RawMessage `json:"input,omitempty"`

	// Record is what Input and Cut are made of, and Facts are the Details, once they
	// are asked for; Complete fills them in.
	Record *Record                `json:"-"`
	Facts  []authenticator.Detail `json:"-"`
}

// maxText is how much of an untrusted text is kept, in bytes.
const maxText = 512

// Bounded returns the refusal with untrusted texts cut to maxText bytes. They are copied,
// so that they do not keep the whole request in memory, unless the record keeps it anyway.
// What comes from a credential is always copied.
func (r Refusal) Bounded() Refusal {
	kept := r.Record.ByReference()
	for _, text := range []*string{&r.ID, &r.UserID, &r.Issuer, &r.Error, &r.HTTPMethod, &r.Host, &r.Path, &r.ClientIP} {
		*text = bounded(*text, kept)
	}
	r.Candidate = bounded(r.Candidate, false)
	r.Facts = slices.Clone(r.Facts)
	for i, fact := range r.Facts {
		r.Facts[i].Value = bounded(fact.Value, false)
	}
	return r
}

// bounded returns a text that is not too long, copied unless it may be shared.
func bounded(text string, shared bool) string {
	switch {
	case len(text) > maxText:
		return strings.ToValidUTF8(text[:maxText], "") + "…"
	case shared:
		return text
	}
	return strings.Clone(text)
}

// Complete returns the refusal with what is made only when it is asked for.
func (r Refusal) Complete() Refusal {
	if r.Record != nil {
		r.Input, r.Cut, _ = r.Record.Document() // without an input it says that the request was not kept
	}
	if len(r.Facts) > 0 {
		r.Details = make(map[string]string, len(r.Facts))
	}
	for _, fact := range r.Facts {
		r.Details[fact.Name] = fact.Value
	}
	return r
}

// Decoded returns the input with what looks like a credential hidden.
func (r Refusal) Decoded() (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(r.Input))
	decoder.UseNumber()
	var document map[string]any
	err := decoder.Decode(&document)
	if err != nil {
		return nil, fmt.Errorf("the request was not kept: %w", err)
	}
	request.RedactSecrets(document)
	return document, nil
}

// Shown returns the refusal with what looks like a credential hidden.
func (r Refusal) Shown() Refusal {
	document, err := r.Decoded()
	if err == nil {
		r.Input, err = json.Marshal(document)
	}
	if err != nil {
		r.Input = nil
	}
	return r
}
