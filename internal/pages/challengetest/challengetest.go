// Package challengetest reads WWW-Authenticate like a client that forgives
// nothing, for tests. It is written from the grammar alone and shares no code
// with what writes challenges.
package challengetest

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// Challenge is one challenge as a client reads it (RFC 9110, section 11.3).
type Challenge struct {
	Scheme  string
	Token68 string            // what follows the scheme in place of parameters, or ""
	Params  map[string]string // by lower-case name, without quotes
}

const (
	tokenForm   = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
	token68Form = "[A-Za-z0-9._~+/-]+=*"
	// quotedForm has a quoted-pair only where one is needed, and no obs-text (RFC
	// 9110, sections 5.5 and 5.6.4).
	quotedForm = `"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\["\\])*"`
	endForm    = `[ \t]*(?:,[ \t]*|$)`
)

var (
	aScheme  = regexp.MustCompile(`^(` + tokenForm + `)(?:` + endForm + `|( +))`)
	aToken68 = regexp.MustCompile(`^(` + token68Form + `)` + endForm)
	aParam   = regexp.MustCompile(`^(` + tokenForm + `)=(` + tokenForm + `|` + quotedForm + `)` + endForm)
)

// Parse reads every line of WWW-Authenticate, each a list of its own. It refuses
// what a sender must not generate (RFC 9110, sections 5.6.1.1, 5.6.3, 5.6.4, 11.2
// and 11.5): empty members, whitespace around "=", a quoted-pair that is not
// needed, a parameter twice, a realm that is not quoted.
func Parse(h http.Header) ([]Challenge, error) {
	var all []Challenge
	for _, line := range h.Values("WWW-Authenticate") {
		challenges, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		all = append(all, challenges...)
	}
	return all, nil
}

func parseLine(line string) ([]Challenge, error) {
	if rest := strings.TrimRight(line, " \t"); rest == "" || strings.HasSuffix(rest, ",") {
		return nil, errors.New("an empty member")
	}
	var challenges []Challenge
	for rest := line; rest != ""; {
		match := aScheme.FindStringSubmatch(rest)
		if match == nil {
			return nil, fmt.Errorf("no challenge at %q", rest)
		}
		c := Challenge{Scheme: match[1], Params: map[string]string{}}
		rest = rest[len(match[0]):]
		if match[2] != "" {
			var err error
			if rest, err = c.parseParams(rest); err != nil {
				return nil, err
			}
		}
		challenges = append(challenges, c)
	}
	return challenges, nil
}

// parseParams reads what follows a scheme and returns what follows that.
func (c *Challenge) parseParams(rest string) (string, error) {
	if match := aToken68.FindStringSubmatch(rest); match != nil {
		c.Token68 = match[1]
		return rest[len(match[0]):], nil
	}
	for {
		match := aParam.FindStringSubmatch(rest)
		switch {
		case match == nil && len(c.Params) == 0:
			return "", fmt.Errorf("no parameter at %q", rest)
		case match == nil:
			return rest, nil // the next challenge
		}
		if err := c.add(strings.ToLower(match[1]), match[2]); err != nil {
			return "", err
		}
		rest = rest[len(match[0]):]
	}
}

// unescape takes quoted-pairs away.
var unescape = strings.NewReplacer(`\"`, `"`, `\\`, `\`)

func (c *Challenge) add(name, value string) error {
	quoted := strings.HasPrefix(value, `"`)
	if _, twice := c.Params[name]; twice {
		return fmt.Errorf("%s twice", name)
	}
	if name == "realm" && !quoted {
		return fmt.Errorf("realm=%s is not quoted", value)
	}
	if quoted {
		value = unescape.Replace(value[1 : len(value)-1])
	}
	c.Params[name] = value
	return nil
}
