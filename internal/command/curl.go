package command

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/policycheck/explain"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// curlFlags are the options of curl that matter or do not; the value says what is
// done with one. Those that take a value end with "=".
var curlFlags = map[string]string{
	"-X": "method=", "--request": "method=", "-H": "header=", "--header": "header=",
	"-d": "data=", "--data": "data=", "--data-ascii": "data=", "--data-binary": "data=", "--data-raw": "data=", "--data-urlencode": "urlencode=", "--json": "json=",
	"-u": "secret Authorization=", "--user": "secret Authorization=", "--oauth2-bearer": "secret Authorization=", "-b": "secret Cookie=", "--cookie": "secret Cookie=",
	"-A": "as User-Agent=", "--user-agent": "as User-Agent=", "-e": "as Referer=", "--referer": "as Referer=", "-r": "as Range=", "--range": "as Range=",
	"--url": "url=", "-I": "head", "--head": "head", "-G": "get", "--get": "get",
	"-k": "", "--insecure": "", "-L": "", "--location": "", "-s": "", "--silent": "", "-S": "", "--show-error": "", "-v": "", "--verbose": "",
	"-i": "", "--include": "", "-f": "", "--fail": "", "--fail-with-body": "", "--compressed": "", "-g": "", "--globoff": "", "-N": "", "--no-buffer": "",
	"-#": "", "--progress-bar": "", "-4": "", "--ipv4": "", "-6": "", "--ipv6": "", "--http1.1": "", "--http2": "", "--http3": "", "-O": "", "--remote-name": "",
	"-o": "=", "--output": "=", "-w": "=", "--write-out": "=", "-m": "=", "--max-time": "=", "--connect-timeout": "=", "--retry": "=", "-x": "=", "--proxy": "=",
	"--resolve": "=", "--cacert": "=", "-c": "=", "--cookie-jar": "=", "-D": "=", "--dump-header": "=",
}

// curl is a command line of curl as it is read.
type curl struct {
	description explain.Description
	data        []string
	inQuery     bool // -G
	hints       []string
}

// parseCurl reads the arguments of curl. It returns the request that they make,
// and where credentials were, which are left out. An option that is not known is
// an error, since it might make another request.
func parseCurl(args []string, d explain.Description) (explain.Description, []string, error) {
	c := &curl{description: d}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			if err := c.apply("url", arg); err != nil {
				return d, nil, err
			}
			continue
		}
		var err error
		if strings.HasPrefix(arg, "--") {
			args, err = c.option(arg, "", args)
		} else {
			args, err = c.short(arg[1:], args)
		}
		if err != nil {
			return d, nil, err
		}
	}
	return c.finish()
}

// short reads options of one letter, of which several may stand together and the
// last may have its value behind it.
func (c *curl) short(letters string, args []string) ([]string, error) {
	for i, letter := range letters {
		name := "-" + string(letter)
		if strings.HasSuffix(curlFlags[name], "=") {
			return c.option(name, letters[i+len(string(letter)):], args)
		}
		var err error
		if args, err = c.option(name, "", args); err != nil {
			return nil, err
		}
	}
	return args, nil
}

// option reads one option; its value is what stands behind it, or the next argument.
func (c *curl) option(name, value string, args []string) ([]string, error) {
	effect, known := curlFlags[name]
	if !known {
		return nil, fmt.Errorf("the option %s is not supported; leave it out, or use the flags of explain", name)
	}
	effect, takes := strings.CutSuffix(effect, "=")
	if takes && value == "" {
		if len(args) == 0 {
			return nil, fmt.Errorf("the option %s needs a value", name)
		}
		value, args = args[0], args[1:]
	}
	return args, c.apply(effect, value)
}

// apply does what an option says.
func (c *curl) apply(effect, value string) error {
	d := &c.description
	what, header, _ := strings.Cut(effect, " ")
	switch what {
	case "method":
		d.Method = value
	case "url":
		if d.URL != "" {
			return errors.New("more than one URL; explain one request at a time")
		}
		if d.URL = value; !strings.Contains(value, "://") {
			d.URL = "http://" + value
		}
	case "header":
		return addHeader(d, value, &c.hints)
	case "as":
		return addHeader(d, header+": "+value, &c.hints)
	case "secret":
		return addHeader(d, header+": "+request.Redacted, &c.hints)
	case "head":
		d.Method = "HEAD"
	case "get":
		c.inQuery = true
	case "data", "json", "urlencode":
		return c.addData(what, value)
	}
	return nil
}

// addData adds to the body.
func (c *curl) addData(what, value string) error {
	if strings.HasPrefix(value, "@") {
		return errors.New("data from a file is not read; use --body of explain")
	}
	switch what {
	case "json":
		for _, name := range []string{"Content-Type", "Accept"} {
			if err := addHeader(&c.description, name+": application/json", &c.hints); err != nil {
				return err
			}
		}
	case "urlencode":
		name, text, named := strings.Cut(value, "=")
		if value = url.QueryEscape(value); named {
			value = url.QueryEscape(text)
			if name != "" {
				value = name + "=" + value
			}
		}
	}
	c.data = append(c.data, value)
	return nil
}

// finish puts method, body and headers together as curl does.
func (c *curl) finish() (explain.Description, []string, error) {
	d := &c.description
	if d.URL == "" {
		return *d, nil, errors.New("the command line has no URL")
	}
	defaults := []string{"User-Agent: curl", "Accept: */*"}
	data := strings.Join(c.data, "&")
	switch {
	case len(c.data) == 0:
	case c.inQuery && strings.Contains(d.URL, "?"):
		d.URL += "&" + data
	case c.inQuery:
		d.URL += "?" + data
	default:
		d.Body = data
		defaults = append(defaults, "Content-Type: application/x-www-form-urlencoded")
		if d.Method == "" {
			d.Method = "POST"
		}
	}
	for _, line := range defaults {
		name, _, _ := strings.Cut(line, ":")
		if !hasHeader(*d, name) {
			if err := addHeader(d, line, &c.hints); err != nil {
				return *d, nil, err
			}
		}
	}
	return *d, c.hints, nil
}

func hasHeader(d explain.Description, name string) bool {
	for given := range d.Headers {
		if strings.EqualFold(given, name) {
			return true
		}
	}
	return false
}
