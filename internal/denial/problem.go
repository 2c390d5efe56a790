package denial

import (
	"encoding/json"
	"net/http"
	"strings"
)

// problem is a problem document (RFC 9457). It holds no more than the page.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance"`

	// Error is the error of the Bearer challenge, if there is one.
	Error string `json:"error,omitempty"`
	// Class says what kind of refusal it is.
	Class       Class    `json:"class"`
	RequestID   string   `json:"request_id"`
	Codes       []string `json:"codes,omitempty"`
	Remediation string   `json:"remediation,omitempty"`
	Scope       string   `json:"scope,omitempty"`
	ACRValues   string   `json:"acr_values,omitempty"`
	MaxAge      *int64   `json:"max_age,omitempty"`
}

// problemOf encodes a refusal. The type is about:blank, with which the title
// is the status's own phrase (RFC 9457, section 4.2.1).
func problemOf(rf Refusal, class Class, say sentence) ([]byte, error) {
	p := problem{
		Type: "about:blank", Title: http.StatusText(rf.Status), Status: rf.Status,
		Detail: say.Summary, Instance: "urn:uuid:" + rf.RequestID,
		Class: class, RequestID: rf.RequestID, Codes: rf.Codes, Remediation: rf.Remediation,
		Scope: strings.Join(rf.Scopes, " "), ACRValues: strings.Join(rf.ACRValues, " "), Error: errorOf(rf),
	}
	if rf.Message != "" {
		p.Detail = rf.Message
	}
	if rf.MaxAge >= 0 {
		p.MaxAge = &rf.MaxAge
	}
	encoded, err := json.Marshal(p)
	return append(encoded, '\n'), err
}

// errorOf returns the error that a challenge names, so that header and body
// never contradict each other.
func errorOf(rf Refusal) string {
	for _, challenge := range rf.Challenges {
		for _, param := range challenge.Params {
			if param.Name == "error" {
				return param.Value
			}
		}
	}
	return ""
}
