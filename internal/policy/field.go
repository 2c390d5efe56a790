package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"
)

const (
	maxText = 1 << 10
	maxBody = 64 << 10
)

// fields decode the members that a decision may have.
var fields = map[string]func(*decoder, any) error{
	"allow":                     (*decoder).decodeAllow,
	"allowed":                   (*decoder).decodeAllow,
	"deny":                      (*decoder).decodeDeny,
	"reasons":                   (*decoder).decodeReasons,
	"message":                   func(d *decoder, v any) error { return decodeText(&d.decision.Message, v, maxText) },
	"remediation":               func(d *decoder, v any) error { return decodeText(&d.decision.Remediation, v, maxText) },
	"status":                    (*decoder).decodeStatus,
	"http_status":               (*decoder).decodeStatus,
	"headers":                   func(d *decoder, v any) error { return decodeHeaders(&d.decision.Headers, v) },
	"response_headers_to_add":   func(d *decoder, v any) error { return decodeHeaders(&d.decision.ResponseHeadersToAdd, v) },
	"request_headers_to_remove": (*decoder).decodeRemoved,
	"body":                      (*decoder).decodeBody,
	"challenge":                 (*decoder).decodeChallenge,
	"redirect":                  (*decoder).decodeRedirect,
	"log":                       (*decoder).decodeLog,
}

func (d *decoder) decodeAllow(value any) error {
	allow, ok := value.(bool)
	if !ok {
		return errors.New("want true or false")
	}
	d.allow = append(d.allow, allow)
	return nil
}

// decodeDeny takes strings and objects {code, message}; any of them denies.
func (d *decoder) decodeDeny(value any) error {
	items, ok := value.([]any)
	if !ok {
		return errors.New("want a list or a set of strings or of {code, message}")
	}
	d.denied = d.denied || len(items) > 0
	for _, item := range items {
		switch v := item.(type) {
		case string:
			d.addReason(v)
		case map[string]any:
			if err := d.addDenial(v); err != nil {
				return err
			}
		default:
			return errors.New("want strings or {code, message}")
		}
	}
	return nil
}

// addDenial takes one {code, message} of a deny list.
func (d *decoder) addDenial(members map[string]any) error {
	for name, value := range members {
		text, ok := value.(string)
		switch {
		case !ok || name != "code" && name != "message":
			return errors.New("want {code, message}, both strings")
		case name == "code":
			d.addCode(text)
		case len(text) <= maxText:
			d.messages = append(d.messages, text)
		}
	}
	return nil
}

// codeForm is what a policy's own code looks like, fit for a log and a page.
var codeForm = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

// addReason takes a denial that is one string: a code if it looks like one, a
// message otherwise.
func (d *decoder) addReason(text string) {
	switch {
	case codeForm.MatchString(text):
		d.addCode(text)
	case len(text) <= maxText && utf8.ValidString(text):
		d.messages = append(d.messages, text)
	}
}

// addCode takes a code; one that does not look like a code is noted and dropped.
func (d *decoder) addCode(code string) {
	if codeForm.MatchString(code) {
		d.decision.Codes = append(d.decision.Codes, code)
		return
	}
	d.decision.Err = fmt.Errorf("a code that is not of the form %s was dropped", codeForm)
}

func (d *decoder) decodeReasons(value any) error {
	codes, err := decodeStrings(value)
	for _, code := range codes {
		d.addCode(code)
	}
	return err
}

func (d *decoder) decodeStatus(value any) error {
	status, err := decodeInt(value)
	if err != nil || status < 400 || status > 599 {
		return errors.New("want a status from 400 to 599; redirects have a member of their own")
	}
	d.status = append(d.status, int(status))
	return nil
}

func (d *decoder) decodeRemoved(value any) error {
	names, err := decodeStrings(value)
	for _, name := range names {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("%q is not a header's name", name)
		}
	}
	d.decision.RequestHeadersToRemove = names
	return err
}

func (d *decoder) decodeBody(value any) error {
	var body string
	if err := decodeText(&body, value, maxBody); err != nil {
		return err
	}
	d.decision.Body = &body
	return nil
}

func (d *decoder) decodeChallenge(value any) error {
	members, ok := value.(map[string]any)
	if !ok {
		return errors.New("want {scope, acr_values, max_age}")
	}
	c := &Challenge{MaxAge: -1}
	for name, member := range members {
		var err error
		switch name {
		case "scope":
			c.Scopes, err = decodeWords(member)
		case "acr_values":
			c.ACRValues, err = decodeWords(member)
		case "max_age":
			if c.MaxAge, err = decodeInt(member); err == nil && c.MaxAge < 0 {
				err = errors.New("negative")
			}
		default:
			err = errors.New("unknown; want scope, acr_values or max_age")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	d.decision.Challenge = c
	return nil
}

// decodeRedirect takes {to, status}. Only a path on the same origin will do:
// whatever a browser might read as another host is refused (T-40).
func (d *decoder) decodeRedirect(value any) error {
	members, ok := value.(map[string]any)
	if !ok {
		return errors.New("want {to, status}")
	}
	r := &Redirect{Status: http.StatusSeeOther}
	for name, member := range members {
		switch name {
		case "to":
			if r.To, ok = member.(string); !ok || !sameOrigin(r.To) {
				return errors.New("to: want a path on the same origin, such as /welcome")
			}
		case "status":
			status, err := decodeInt(member)
			if r.Status = int(status); err != nil || !isRedirect(r.Status) {
				return errors.New("status: want 301, 302, 303, 307 or 308")
			}
		default:
			return fmt.Errorf("%s: unknown; want to or status", name)
		}
	}
	if r.To == "" {
		return errors.New("to: missing")
	}
	d.decision.Redirect = r
	return nil
}

func isRedirect(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// sameOrigin reports whether a reference is a path that every browser resolves
// on the same origin.
func sameOrigin(to string) bool {
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.Contains(to, `\`) {
		return false
	}
	for _, c := range to {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

func (d *decoder) decodeLog(value any) error {
	members, ok := value.(map[string]any)
	if !ok {
		return errors.New("want {labels}")
	}
	for name, member := range members {
		labels, ok := member.(map[string]any)
		if name != "labels" || !ok {
			return errors.New("want {labels}, an object of strings")
		}
		d.decision.Labels = make(map[string]string, len(labels))
		for label, text := range labels {
			if d.decision.Labels[label], ok = text.(string); !ok {
				return fmt.Errorf("label %s: want a string", label)
			}
		}
	}
	return nil
}

func decodeText(target *string, value any, limit int) error {
	text, ok := value.(string)
	switch {
	case !ok:
		return errors.New("want a string")
	case len(text) > limit:
		return fmt.Errorf("longer than %d bytes", limit)
	}
	*target = text
	return nil
}

func decodeInt(value any) (int64, error) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, errors.New("want a whole number")
	}
	return number.Int64()
}

func decodeStrings(value any) ([]string, error) {
	items, ok := value.([]any)
	if !ok {
		return nil, errors.New("want a list or a set of strings")
	}
	texts := make([]string, len(items))
	for i, item := range items {
		if texts[i], ok = item.(string); !ok {
			return nil, errors.New("want strings")
		}
	}
	return texts, nil
}

// decodeWords takes words as a list, or as one string with spaces between.
func decodeWords(value any) ([]string, error) {
	if text, ok := value.(string); ok {
		return strings.Fields(text), nil
	}
	return decodeStrings(value)
}

// decodeHeaders takes an object from names to a string or a list of strings.
func decodeHeaders(target *http.Header, value any) error {
	members, ok := value.(map[string]any)
	if !ok {
		return errors.New("want an object")
	}
	headers := make(http.Header, len(members))
	for name, member := range members {
		if text, ok := member.(string); ok {
			member = []any{text}
		}
		lines, err := decodeStrings(member)
		if err != nil || !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("%q: want a header's name and a string or a list of strings", name)
		}
		if isFraming(name) {
			return fmt.Errorf("%s belongs to the connection and cannot be set", name)
		}
		for _, line := range lines {
			if !httpguts.ValidHeaderFieldValue(line) {
				return fmt.Errorf("%s: the value cannot stand in a header", name)
			}
		}
		headers[http.CanonicalHeaderKey(name)] = append(headers[http.CanonicalHeaderKey(name)], lines...)
	}
	*target = headers
	return nil
}

// isFraming reports whether a header belongs to the connection or the
// message's framing (RFC 9110, section 7.6.1), which no policy changes.
func isFraming(name string) bool {
	switch strings.ToLower(name) {
	case "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host", "content-length", "expect":
		return true
	}
	return false
}
