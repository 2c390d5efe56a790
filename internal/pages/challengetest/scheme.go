package challengetest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Read is Parse with the rules of the schemes that it knows: Basic (RFC 7617),
// Bearer (RFC 6750) and what borrows its parameters (RFC 9449, 9470, 9728).
func Read(h http.Header) ([]Challenge, error) {
	challenges, err := Parse(h)
	if err != nil {
		return nil, err
	}
	for _, c := range challenges {
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("%s %v: %w", c.Scheme, c.Params, err)
		}
	}
	return challenges, nil
}

func (c Challenge) check() error {
	switch strings.ToLower(c.Scheme) {
	case "basic":
		return c.checkBasic()
	case "bearer", "dpop":
		return c.checkBearer()
	}
	return nil
}

// checkBasic holds RFC 7617, sections 2 and 2.1.
func (c Challenge) checkBasic() error {
	if _, there := c.Params["realm"]; !there {
		return errors.New("no realm")
	}
	if charset, there := c.Params["charset"]; there && !strings.EqualFold(charset, "UTF-8") {
		return fmt.Errorf("charset %s", charset)
	}
	return nil
}

// plain is what RFC 6750, section 3, allows in a parameter: neither quotes nor
// backslashes, escaped or not.
const plain = `\x21\x23-\x5b\x5d-\x7e`

var bearerForms = map[string]*regexp.Regexp{
	"scope":             regexp.MustCompile(`^[` + plain + `]+(?: [` + plain + `]+)*$`),
	"error":             regexp.MustCompile(`^[ ` + plain + `]+$`),
	"error_description": regexp.MustCompile(`^[ ` + plain + `]+$`),
	"error_uri":         regexp.MustCompile(`^[` + plain + `]+$`),
	"max_age":           regexp.MustCompile(`^[0-9]+$`), // RFC 9470, section 3
	"acr_values":        regexp.MustCompile(`^[^ ]+(?: [^ ]+)*$`),
}

// checkBearer holds RFC 6750, section 3: at least one parameter, and those that
// it names in its own narrow characters.
func (c Challenge) checkBearer() error {
	if len(c.Params) == 0 {
		return errors.New("no parameter")
	}
	for name, form := range bearerForms {
		if value, there := c.Params[name]; there && !form.MatchString(value) {
			return fmt.Errorf("%s is %q", name, value)
		}
	}
	for _, name := range []string{"error_uri", "resource_metadata"} {
		if _, err := url.Parse(c.Params[name]); err != nil {
			return err
		}
	}
	return nil
}
