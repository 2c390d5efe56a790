// Package question is a question about a decision: a request described by
// hand, one that was refused, or an input document, and what to change about its
// caller; and the answer, which never shows a credential.
package explain

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Request is what is asked about: exactly one of ID, URL and Input, and changes.
type Request struct {
	// ID is that of a request that the running server refused.
	ID string `json:"id,omitempty"`
	// Set names the policies to ask, by their id or by one of their files, where a
	// server has several. Those that refused a request are asked about it.
	Set string `json:"set,omitempty"`
	// Description is a request.
	Description
	// Input is an input document.
	Input map[string]any `json:"input,omitempty"`
	// Changes are made to the caller.
	Changes
}

// Description is a request that is described rather than recorded.
type Description struct {
	// Method is GET unless set.
	Method string `json:"method,omitempty"`
	// URL is absolute.
	URL string `json:"url,omitempty"`
	// Headers hold no credentials: who is calling is said by Identity.
	Headers map[string]Lines `json:"headers,omitempty"`
	// Body is the request's.
	Body string `json:"body,omitempty"`
	// ClientIP is the client's address; 192.0.2.1 unless set, an address for documentation (RFC 5737).
	ClientIP string `json:"client_ip,omitempty"`
	// Identity is the caller as input.identity has one, with only what is not empty.
	// Nothing of it is verified. Anonymous, unless set.
	Identity json.RawMessage `json:"identity,omitempty"`
	// Config holds the constants from the configuration.
	Config map[string]any `json:"config,omitempty"`
}

// Lines are the lines of a header; in JSON one may stand for a list of one.
type Lines []string

// UnmarshalJSON takes a string or a list of strings.
func (l *Lines) UnmarshalJSON(text []byte) error {
	var line string
	if json.Unmarshal(text, &line) == nil {
		*l = Lines{line}
		return nil
	}
	var lines []string
	if err := json.Unmarshal(text, &lines); err != nil {
		return errors.New("headers: want a string or a list of strings for each")
	}
	*l = lines
	return nil
}

// Decode reads a question from JSON. Unknown members are errors.
func Decode(content []byte) (Request, error) {
	var q Request
	if err := strictly(content, &q); err != nil {
		return q, fmt.Errorf("%w; a question has %s", err, "id, set, method, url, headers, body, client_ip, identity, config, input, "+strings.Join(ChangeNames, ", "))
	}
	return q, q.Check()
}

// strictly decodes JSON without unknown members; numbers keep their digits.
func strictly(content []byte, into any) error {
	decoder := json.NewDecoder(strings.NewReader(string(content)))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if decoder.More() {
		return errors.New("there is more text after the JSON object; want one object")
	}
	return nil
}

// Check returns an error unless the question asks about one thing, and changes
// what can be changed.
func (q Request) Check() error {
	kinds := 0
	for _, asked := range []bool{q.ID != "", q.URL != "", q.Input != nil} {
		if asked {
			kinds++
		}
	}
	if kinds != 1 {
		return errors.New("ask about one of id, url and input")
	}
	if q.URL == "" && (q.Method != "" || len(q.Headers) > 0 || q.Body != "" || q.Identity != nil || q.Config != nil || q.ClientIP != "") {
		return errors.New("method, headers, body, client_ip, identity and config go with a url")
	}
	return q.Changes.check()
}

// ParseIdentity reads a caller from JSON: the members of input.identity that are
// not empty. A caller with an id is authenticated unless it says otherwise. Empty
// JSON is an anonymous caller.
func ParseIdentity(content []byte) (*authenticator.Identity, error) {
	if len(content) == 0 || string(content) == "null" {
		return authenticator.Anonymous(), nil
	}
	id := new(authenticator.Identity)
	if err := strictly(content, id); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	var said map[string]any
	if err := json.Unmarshal(content, &said); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if _, explicit := said["authenticated"]; !explicit {
		id.Authenticated = id.ID != ""
	}
	switch known := []authenticator.Kind{"", authenticator.KindUser, authenticator.KindClient, authenticator.KindUnknown, authenticator.KindAnonymous}; {
	case !slices.Contains(known, id.Kind):
		return nil, fmt.Errorf("identity: kind is user, client, unknown or anonymous, not %q", id.Kind)
	case id.Authenticated && id.ID == "":
		return nil, errors.New("identity: an authenticated caller has an id")
	case id.Authenticated && id.Kind == "":
		id.Kind = authenticator.KindUser
	}
	return id.Normalize(), nil
}

// request makes the request that is described, and returns the names of the
// headers that were left without their values, since those look like credentials.
func (d Description) request() (*http.Request, error) {
	u, err := url.Parse(d.URL)
	switch {
	case err != nil:
		return nil, errors.New("url: it cannot be parsed")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("url: want an absolute one, such as https://app.example.com/admin")
	}
	u.User = nil // credentials are of no use here
	method := d.Method
	if method == "" {
		method = http.MethodGet
	}
	r, err := http.NewRequest(method, u.String(), strings.NewReader(d.Body))
	if err != nil {
		return nil, fmt.Errorf("method: %q is none", method)
	}
	if d.Body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	r.RequestURI = u.RequestURI()
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		for _, line := range d.Headers[name] {
			r.Header.Add(name, line)
		}
		if strings.EqualFold(name, "Host") {
			r.Host = strings.Join(d.Headers[name], ", ")
			r.Header.Del("Host")
		}
	}
	return r, nil
}
