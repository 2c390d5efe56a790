package denial

import (
	"fmt"
	"net/http"
	"strings"
)

// parsed is a challenge as a client reads it.
type parsed struct {
	Scheme string
	Params map[string]string // by lower-case name
}

// parseChallenges is a client's parser of WWW-Authenticate (RFC 9110, sections
// 5.6.1, 5.6.4, 11.2 and 11.6.1), written from the grammar alone: all lines are
// one list. It knows no token68, which none of our schemes has.
func parseChallenges(h http.Header) ([]parsed, error) {
	p := &scanner{rest: strings.Join(h.Values("WWW-Authenticate"), ", ")}
	var result []parsed
	for {
		p.skip(" \t,")
		if p.rest == "" {
			return result, nil
		}
		name := p.token()
		if name == "" {
			return nil, fmt.Errorf("no token at %q", p.rest)
		}
		if !strings.HasPrefix(strings.TrimLeft(p.rest, " \t"), "=") {
			result = append(result, parsed{name, map[string]string{}})
			continue
		}
		if len(result) == 0 {
			return nil, fmt.Errorf("a parameter before any scheme: %q", name)
		}
		value, err := p.value()
		if err != nil {
			return nil, err
		}
		params := result[len(result)-1].Params
		if _, twice := params[strings.ToLower(name)]; twice {
			return nil, fmt.Errorf("%s twice", name)
		}
		params[strings.ToLower(name)] = value
	}
}

type scanner struct{ rest string }

func (p *scanner) skip(cutset string) { p.rest = strings.TrimLeft(p.rest, cutset) }

func (p *scanner) token() string {
	const special = "!#$%&'*+-.^_`|~"
	end := strings.IndexFunc(p.rest, func(r rune) bool {
		letter := 'a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune(special, r)
	})
	if end < 0 {
		end = len(p.rest)
	}
	token := p.rest[:end]
	p.rest = p.rest[end:]
	return token
}

// value reads BWS "=" BWS ( token / quoted-string ).
func (p *scanner) value() (string, error) {
	p.skip(" \t")
	p.rest = p.rest[1:]
	p.skip(" \t")
	if !strings.HasPrefix(p.rest, `"`) {
		return p.token(), nil
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), nil
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		case c < 0x20 && c != '\t', c >= 0x7f:
			return "", fmt.Errorf("%#x in a quoted-string", c)
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("no end of %q", p.rest)
}
