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
func appendProblem(b []byte, rf Refusal, class Class, say sentence) []byte {
	b = append(b, `{"type":"about:blank","title":`...)
	b = appendJSON(b, phrase(rf.Status, say))
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(rf.Status), 10)
	b = append(b, `,"detail":`...)
	b = appendJSON(b, firstOf(rf.Message, say.Summary))
	if rf.RequestID != "" {
		b = append(b, `,"instance":"urn:uuid:`...)
		b = append(appendInner(b, rf.RequestID), '"')
	}
	b = append(b, `,"class":`...)
	b = appendJSON(b, string(class))
	b = appendMember(b, "request_id", rf.RequestID)
	b = appendList(b, "codes", rf.Codes)
	b = appendMember(b, "remediation", rf.Remediation)
	b = appendMember(b, "login_url", rf.LoginURL)
	b = appendList(b, "unread_credentials", rf.Unread)
	b = appendMember(b, "error", stated(rf, "error"))
	b = appendMember(b, "error_description", stated(rf, "error_description"))
	b = appendMember(b, "scope", cleanOnly("scope", firstOf(strings.Join(rf.Scopes, " "), stated(rf, "scope"))))
	b = appendMember(b, "acr_values", cleanOnly("acr_values", strings.Join(rf.ACRValues, " ")))
	if rf.MaxAge >= 0 {
		b = append(b, `,"max_age":`...)
		b = strconv.AppendInt(b, rf.MaxAge, 10)
	}
	return append(b, "}\n"...)
}

// cleanOnly returns a parameter's value as a challenge has it, or "".
func cleanOnly(name, value string) string {
	if value == "" {
		return ""
	}
	value, _ = clean(name, value)
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
			return append(b, inertJSON(encoded[1:len(encoded)-1])...)
		}
	}
	return append(b, text...)
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
