package pages

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode"
)

// appendProblem appends a problem document (RFC 9457). It holds no more than the page.
// Its type is about:blank, with which the title is the status's own phrase (section
// 4.2.1); class tells kinds of denials apart. What the challenge asks for is there in
// the challenge's own words.
func appendProblem(b []byte, d Denial, class Class, say sentence) []byte {
	b = append(b, `{"type":"about:blank","title":`...)
	b = appendJSON(b, statusText(d.Status, say))
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(d.Status), 10)
	b = append(b, `,"detail":`...)
	b = appendJSON(b, firstNonEmpty(d.Message, say.Summary))
	if d.RequestID != "" {
		b = append(b, `,"instance":"urn:uuid:`...)
		b = append(appendInner(b, d.RequestID), '"')
	}
	b = append(b, `,"class":`...)
	b = appendJSON(b, string(class))
	b = appendMember(b, "request_id", d.RequestID)
	b = appendList(b, "codes", d.Codes)
	b = appendMember(b, "remediation", d.Remediation)
	b = appendMember(b, "login_url", d.LoginURL)
	b = appendList(b, "unread_credentials", d.Unread)
	b = appendMember(b, "error", challengeParam(d, "error"))
	b = appendMember(b, "error_description", challengeParam(d, "error_description"))
	b = appendMember(b, "scope", cleanOrEmpty("scope", firstNonEmpty(strings.Join(d.Scopes, " "), challengeParam(d, "scope"))))
	b = appendMember(b, "acr_values", cleanOrEmpty("acr_values", strings.Join(d.ACRValues, " ")))
	if d.MaxAge >= 0 {
		b = append(b, `,"max_age":`...)
		b = strconv.AppendInt(b, d.MaxAge, 10)
	}
	return append(b, "}\n"...)
}

// cleanOrEmpty returns a parameter's value as a challenge has it, or "".
func cleanOrEmpty(name, value string) string {
	if value == "" {
		return ""
	}
	value, _ = cleanParam(name, value)
	return value
}

// appendMember appends a member that is not empty.
func appendMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendJSON(appendName(b, name), value)
}

// appendList appends a member that is a list which is not empty.
func appendList(b []byte, name string, values []string) []byte {
	if len(values) == 0 {
		return b
	}
	b = append(appendName(b, name), '[')
	for i, value := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(b, value)
	}
	return append(b, ']')
}

func appendName(b []byte, name string) []byte {
	return append(append(append(b, `,"`...), name...), `":`...)
}

// appendJSON appends a text as encoding/json writes it, and in it no action of a
// template.
func appendJSON(b []byte, text string) []byte { return append(appendInner(append(b, '"'), text), '"') }

// appendInner appends what stands between the quotes. Most texts are written as they are.
func appendInner(b []byte, text string) []byte {
	for i := range len(text) {
		switch c := text[i]; {
		case c < 0x20, c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&', c == '{':
			encoded, _ := json.Marshal(text) // a string has no error
			return append(b, escapeActionsJSON(encoded[1:len(encoded)-1])...)
		}
	}
	return append(b, text...)
}

// statusText returns what a status is called.
func statusText(status int, say sentence) string {
	return firstNonEmpty(http.StatusText(status), say.Title)
}

// challengeParam returns a parameter of the challenges, so that header and body never
// contradict each other.
func challengeParam(d Denial, name string) string {
	for _, challenge := range d.Challenges {
		for _, param := range challenge.Params {
			if param.Name == name {
				return param.Value
			}
		}
	}
	return ""
}

// plainText is a refusal in one line of text.
func plainText(d Denial, say sentence) string {
	text := strconv.Itoa(d.Status) + " " + statusText(d.Status, say) + ": " + firstNonEmpty(d.Message, say.Summary)
	if d.RequestID != "" {
		text += " (" + d.RequestID + ")"
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

func firstNonEmpty(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
