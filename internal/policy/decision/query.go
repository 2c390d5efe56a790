package decision

import (
	"errors"
	"fmt"
	"time"
)

// decodeQuery takes an object from names of parameters to a string or a list of
// strings.
func (d *decoder) decodeQuery(value any) error {
	members, err := decodeMembers(value, "want an object from names to strings or lists of strings")
	if err != nil {
		return err
	}
	d.decision.QueryToSet = make(map[string][]string, len(members))
	for _, m := range members {
		if text, ok := m.value.(string); ok {
			m.value = []any{text}
		}
		values, err := decodeStrings(m.value)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		for _, text := range append(values, m.name) {
			if d.room -= len(text); d.room < 0 {
				return fmt.Errorf("more than %d bytes in all", maxText)
			}
		}
		d.decision.QueryToSet[m.name] = values
	}
	return nil
}

func (d *decoder) decodeQueryRemoved(value any) (err error) {
	d.decision.QueryToRemove, err = decodeStrings(value)
	return err
}

// decodeMetadata takes an object for placeholders.
func (d *decoder) decodeMetadata(value any) error {
	if _, err := decodeMembers(value, "want an object"); err != nil {
		return err
	}
	d.decision.Metadata, _ = value.(map[string]any)
	return nil
}

// decodeCache takes how long the decision may be remembered: a duration such as
// "30s", or a number of seconds.
func (d *decoder) decodeCache(value any) error {
	const form = `want {ttl}, such as {"ttl": "30s"}`
	members, err := decodeMembers(value, form)
	if err != nil {
		return err
	}
	if len(members) != 1 || members[0].name != "ttl" {
		return errors.New(form)
	}
	ttl, err := decodeDuration(members[0].value)
	if err != nil || ttl < 0 {
		return errors.New(form)
	}
	d.decision.TTL = &ttl
	return nil
}

func decodeDuration(value any) (time.Duration, error) {
	if text, ok := value.(string); ok {
		return time.ParseDuration(text)
	}
	seconds, err := decodeInt(value)
	if err != nil || seconds > int64(maxTTL/time.Second) {
		return maxTTL, err
	}
	return time.Duration(seconds) * time.Second, nil
}

// maxTTL bounds what is read as a duration; nothing is remembered for so long.
const maxTTL = 24 * time.Hour
