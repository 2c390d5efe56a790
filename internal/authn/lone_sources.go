package authn

import (
	"net/http"
	"slices"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// loneSources are the sources that app_passwords alone reads on a site. What has not
// their prefix there belongs to the application behind the site, and passes as it does
// where no method reads the source.
type loneSources struct {
	passwords *AppPasswords
	sources   []authenticator.Source
}

// newLoneSources returns nil if no method is app_passwords.
func newLoneSources(methods []Method) *loneSources {
	i := slices.IndexFunc(methods, func(m Method) bool { _, ok := m.Authenticator.(*AppPasswords); return ok })
	if i < 0 {
		return nil
	}
	lone := &loneSources{passwords: methods[i].Authenticator.(*AppPasswords)}
	for _, source := range methods[i].sources {
		shared := func(m Method) bool { return m.Name != methods[i].Name && slices.Contains(m.sources, source) }
		if !slices.ContainsFunc(methods, shared) {
			lone.sources = append(lone.sources, source)
		}
	}
	return lone
}

// appPasswords returns the method app_passwords, or nil.
func (c *Chain) appPasswords() *AppPasswords {
	if c.lone == nil {
		return nil
	}
	return c.lone.passwords
}

// remove removes app passwords from headers, which are a copy.
func (l *loneSources) remove(header http.Header) {
	if l == nil {
		return
	}
	for _, source := range l.sources {
		name := source.CarriedIn()
		setLines(header, name, slices.DeleteFunc(header[name], func(line string) bool {
			value, ok := line, true
			if source.Scheme != "" {
				value, ok = cutScheme(line, source.Scheme)
			}
			return ok && !l.passwords.ignores(source, value)
		}))
	}
}

// foreign reports whether a credential in a source is the application's own.
func (l *loneSources) foreign(source authenticator.Source, value string) bool {
	return l != nil && slices.Contains(l.sources, source) && l.passwords.ignores(source, value)
}
