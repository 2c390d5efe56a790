package denial

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode"
)

// problem is a problem document (RFC 9457). It holds no more than the page.
type problem struct {
	// Type is about:blank, with which Title is the status's own phrase (section
	// 4.2.1); Class tells kinds of refusals apart.
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance,omitempty"`

	// Class says what kind of refusal it is.
	Class       Class    `json:"class"`
	RequestID   string   `json:"request_id,omitempty"`
	Codes       []string `json:"codes,omitempty"`
	Remediation string   `json:"remediation,omitempty"`
	LoginURL    string   `json:"login_url,omitempty"`
	// Unread says where the request has a credential that this site does not read.
	Unread []string `json:"unread_credentials,omitempty"`

	// What the challenge asks for, in its own words.
	Error            string `json:"error,omitempty"`
	ErrorDescription string `json:"error_description,omitempty"`
	Scope            string `json:"scope,omitempty"`
	ACRValues        string `json:"acr_values,omitempty"`
	MaxAge           *int64 `json:"max_age,omitempty"`
}

// problemOf encodes a refusal.
func problemOf(rf Refusal, class Class, say sentence) ([]byte, error) {
	p := problem{
		Type: "about:blank", Title: phrase(rf.Status, say), Status: rf.Status, Detail: firstOf(rf.Message, say.Summary),
		Class: class, RequestID: rf.RequestID, Codes: rf.Codes, Remediation: rf.Remediation, LoginURL: rf.LoginURL, Unread: rf.Unread,
		Error: stated(rf, "error"), ErrorDescription: stated(rf, "error_description"),
	}
	p.Scope, _ = clean("scope", firstOf(strings.Join(rf.Scopes, " "), stated(rf, "scope")))
	p.ACRValues, _ = clean("acr_values", strings.Join(rf.ACRValues, " "))
	if rf.RequestID != "" {
		p.Instance = "urn:uuid:" + rf.RequestID
	}
	if rf.MaxAge >= 0 {
		p.MaxAge = &rf.MaxAge
	}
	encoded, err := json.Marshal(p)
	return append(inertJSON(encoded), '\n'), err
}

// phrase returns what a status is called.
func phrase(status int, say sentence) string { return firstOf(http.StatusText(status), say.Title) }

// stated returns a parameter of the challenges, so that header and body never
// contradict each other.
func stated(rf Refusal, name string) string {
	for _, challenge := range rf.Challenges {
		for _, param := range challenge.Params {
			if param.Name == name {
				return param.Value
			}
		}
	}
	return ""
}

// line is a refusal in one line of text.
func line(rf Refusal, say sentence) string {
	text := strconv.Itoa(rf.Status) + " " + phrase(rf.Status, say) + ": " + firstOf(rf.Message, say.Summary)
	if rf.RequestID != "" {
		text += " (" + rf.RequestID + ")"
	}
	return oneLine(text) + "\n"
}

// oneLine replaces control characters and line separators, which a message from
// a policy may hold.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, s)
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
