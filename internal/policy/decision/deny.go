package decision

import (
	"errors"
	"fmt"
	"regexp"
)

// codeForm is what a policy's own code looks like, fit for a log and a page.
var codeForm = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

// decodeDeny takes a list or a set of strings and of {code, message}. Whatever
// is in it denies, also what is of no use to the person refused.
func (d *decoder) decodeDeny(value any) error {
	items, ok := value.([]any)
	if !ok {
		return errors.New("want a list or a set of strings or of {code, message}")
	}
	if len(items) > maxItems {
		return tooMany()
	}
	d.denied = d.denied || len(items) > 0
	for _, item := range items {
		if text, ok := item.(string); ok {
			d.addDenial(text)
			continue
		}
		if err := d.addDenialObject(item); err != nil {
			return err
		}
	}
	return nil
}

// addDenial takes a denial that is one string: a code if it looks like one, a
// message otherwise.
func (d *decoder) addDenial(text string) {
	if codeForm.MatchString(text) {
		d.addCode(text)
		return
	}
	d.addMessage(text)
}

func (d *decoder) addDenialObject(value any) error {
	const form = "want strings or {code, message}, both strings"
	members, err := decodeMembers(value, form)
	if err != nil {
		return err
	}
	for _, m := range members {
		text, ok := m.value.(string)
		switch {
		case ok && m.name == "code":
			d.addCode(text)
		case ok && m.name == "message":
			d.addMessage(text)
		default:
			return errors.New(form)
		}
	}
	return nil
}

// addCode takes a code; one that does not look like a code is noted and dropped.
func (d *decoder) addCode(code string) {
	if codeForm.MatchString(code) {
		d.decision.Codes = append(d.decision.Codes, code)
		return
	}
	d.decision.Err = fmt.Errorf("a code that is not of the form %s was dropped", codeForm)
}

// addMessage adds a message, unless all together are too long.
func (d *decoder) addMessage(text string) {
	if d.room -= len(text) + 1; d.room < 0 {
		d.decision.Err = fmt.Errorf("messages beyond %d bytes were dropped", maxText)
		return
	}
	d.messages = append(d.messages, text)
}

func (d *decoder) decodeReasons(value any) error {
	codes, err := decodeStrings(value)
	for _, code := range codes {
		d.addCode(code)
	}
	return err
}
