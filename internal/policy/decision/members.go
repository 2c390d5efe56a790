package decision

import (
	"errors"
	"fmt"
	"net/http"
)

const (
	maxText  = 1 << 10  // bytes of a text for the person refused, a label, or all texts of deny
	maxBody  = 64 << 10 // bytes of a body, or of all headers that a policy sets
	maxItems = 256      // members of a list or an object in a decision
)

// fields decode the members that a decision may have.
var fields = map[string]func(*decoder, any) error{
	"allow":                      (*decoder).decodeAllow,
	"allowed":                    (*decoder).decodeAllow,
	"deny":                       (*decoder).decodeDeny,
	"reasons":                    (*decoder).decodeReasons,
	"message":                    func(d *decoder, v any) error { return decodeText(&d.decision.Message, v, maxText) },
	"remediation":                func(d *decoder, v any) error { return decodeText(&d.decision.Remediation, v, maxText) },
	"status":                     (*decoder).decodeStatus,
	"http_status":                (*decoder).decodeStatus,
	"headers":                    func(d *decoder, v any) error { return decodeHeaders(&d.decision.Headers, v) },
	"response_headers_to_add":    func(d *decoder, v any) error { return decodeHeaders(&d.decision.ResponseHeadersToAdd, v) },
	"request_headers_to_remove":  (*decoder).decodeRemoved,
	"query_parameters_to_remove": (*decoder).decodeQueryRemoved,
	"query_parameters_to_set":    (*decoder).decodeQuery,
	"dynamic_metadata":           (*decoder).decodeMetadata,
	"body":                       (*decoder).decodeBody,
	"challenge":                  (*decoder).decodeChallenge,
	"redirect":                   (*decoder).decodeRedirect,
	"log":                        (*decoder).decodeLog,
	"login":                      (*decoder).decodeLogin,
	"cache":                      (*decoder).decodeCache,
}

func (d *decoder) decodeAllow(value any) error {
	allow, ok := value.(bool)
	if !ok {
		return errors.New("want true or false")
	}
	d.allow = append(d.allow, allow)
	return nil
}

// decodeStatus takes the status of a denial. 407 is a proxy's and never ours
// (RFC 9110, section 15.5.8).
func (d *decoder) decodeStatus(value any) error {
	status, err := decodeInt(value)
	if err != nil || status < 400 || status > 599 || status == http.StatusProxyAuthRequired {
		return errors.New("want a status from 400 to 599, other than 407; redirects have a member of their own")
	}
	d.status = append(d.status, int(status))
	return nil
}

// decodeLogin decodes whether a denied caller may sign in: a boolean, or which login
// they are sent to.
func (d *decoder) decodeLogin(value any) error {
	switch v := value.(type) {
	case bool:
		d.decision.Login = &Login{Offered: v}
	case string:
		d.decision.Login = &Login{Offered: true, Name: v}
	default:
		return errors.New("want true, false or the name of a login")
	}
	return nil
}

func (d *decoder) decodeBody(value any) error {
	var body string
	if err := decodeText(&body, value, maxBody); err != nil {
		return err
	}
	d.decision.Body = &body
	return nil
}

func (d *decoder) decodeLog(value any) error {
	const form = "want {labels}, an object of strings"
	members, err := decodeMembers(value, form)
	if err != nil {
		return err
	}
	for _, m := range members {
		if m.name != "labels" {
			return errors.New(form)
		}
		labels, err := decodeMembers(m.value, form)
		if err != nil {
			return err
		}
		d.decision.Labels = make(map[string]string, len(labels))
		for _, label := range labels {
			var text string
			if err := decodeText(&text, label.value, maxText); err != nil {
				return fmt.Errorf("label %s: %w", label.name, err)
			}
			d.decision.Labels[label.name] = text
		}
	}
	return nil
}
