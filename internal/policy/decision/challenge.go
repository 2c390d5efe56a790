package decision

import (
	"errors"
	"fmt"
)

// Challenge asks for scopes (RFC 6750, section 3.1), or for a stronger or
// fresher sign-in (RFC 9470, section 3).
type Challenge struct {
	Scopes    []string
	ACRValues []string
	// MaxAge is in seconds, -1 if not asked for.
	MaxAge int64
}

func (d *decoder) decodeChallenge(value any) error {
	members, err := decodeMembers(value, "want {scope, acr_values, max_age}")
	if err != nil {
		return err
	}
	c := &Challenge{MaxAge: -1}
	for _, m := range members {
		var err error
		switch m.name {
		case "scope":
			c.Scopes, err = decodeWords(m.value)
		case "acr_values":
			c.ACRValues, err = decodeWords(m.value)
		case "max_age":
			if c.MaxAge, err = decodeInt(m.value); err == nil && c.MaxAge < 0 {
				err = errors.New("negative")
			}
		default:
			err = errors.New("unknown; want scope, acr_values or max_age")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	d.decision.Challenge = c
	return nil
}
