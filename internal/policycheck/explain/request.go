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

// Request says which decision to explain: exactly one of ID, URL and Input, and changes of
// the caller.
type Request struct {
	// ID is the ID of a request that the running server denied.
	ID string `json:"id,omitempty"`
	// Set selects the policies by their ID or by one of their files, if the server has
	// several. Default: for an ID, the policies that denied that request.
	Set string `json:"set,omitempty"`
	// Description describes a request.
	Description
	// Input is an input document.
	Input map[string]any `json:"input,omitempty"`
	// Changes are applied to the caller.
	Changes
}

// Description describes a request that was not recorded.
type Description struct {
	// Method is the method. Default: GET.
	Method string `json:"method,omitempty"`
	// URL is an absolute URL.
	URL string `json:"url,omitempty"`
	// Headers are the headers, without credentials; set the caller with Identity.
	Headers map[string]Lines `json:"headers,omitempty"`
	// Body is the body.
	Body string `json:"body,omitempty"`
	// ClientIP is the address of the client. Default: 192.0.2.1, an address for
	// documentation (RFC 5737).
	ClientIP string `json:"client_ip,omitempty"`
	// Identity is the caller, as input.identity without empty members. It is not
	// verified. Default: anonymous.
	Identity json.RawMessage `json:"identity,omitempty"`
	// Config has the constants of the config block.
	Config map[string]any `json:"config,omitempty"`
}

// Lines are the lines of a header; in JSON, a string is a list of one line.
type Lines []string

// UnmarshalJSON decodes a string or a list of strings.
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

// Decode decodes a Request from JSON. Unknown members are errors.
func Decode(content []byte) (Request, error) {
	var q Request
	if err := strictly(content, &q); err != nil {
		return q, fmt.Errorf("%w; allowed: %s", err, "id, set, method, url, headers, body, client_ip, identity, config, input, "+strings.Join(ChangeNames, ", "))
	}
	return q, q.Check()
}

// strictly decodes JSON and rejects unknown members; numbers keep their digits.
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

// Check returns an error unless the request has exactly one of ID, URL and Input, and only
// fields that go with it.
func (q Request) Check() error {
	kinds := 0
	for _, asked := range []bool{q.ID != "", q.URL != "", q.Input != nil} {
		if asked {
			kinds++
		}
	}
	if kinds != 1 {
		return errors.New("want exactly one of id, url and input")
	}
	if q.URL == "" && (q.Method != "" || len(q.Headers) > 0 || q.Body != "" || q.Identity != nil || q.Config != nil || q.ClientIP != "") {
		return errors.New("method, headers, body, client_ip, identity and config need a url")
	}
	return q.Changes.check()
}

// ParseIdentity reads a caller from JSON: the members of input.identity that are
// not empty. A caller with an id is authenticated unless it
// is a guest or says otherwise. Empty
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
		id.Authenticated = id.ID != "" && id.Kind != authenticator.KindGuest
	}
	switch known := []authenticator.Kind{"", authenticator.KindUser, authenticator.KindClient, authenticator.KindUnknown, authenticator.KindGuest, authenticator.KindAnonymous}; {
	case !slices.Contains(known, id.Kind):
		return nil, fmt.Errorf("identity: unknown kind %q; allowed: user client unknown guest anonymous", id.Kind)
	case id.Authenticated && id.ID == "":
		return nil, errors.New("identity: an authenticated caller needs an id")
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
		return nil, errors.New("url: want a URL such as https://app.example.com/admin; this one cannot be parsed")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("url: want an absolute URL, such as https://app.example.com/admin")
	}
	u.User = nil // credentials are of no use here
	method := d.Method
	if method == "" {
		method = http.MethodGet
	}
	r, err := http.NewRequest(method, u.String(), strings.NewReader(d.Body))
	if err != nil {
		return nil, fmt.Errorf("method: %q is not a method; want one such as GET", method)
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
