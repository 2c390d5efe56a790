package exchange

import (
	"net/http"
	"slices"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// ConsumedCredentials are the credentials that policy_auth handlers removed from one
// request: a second handler restores them to authenticate the caller, and the next
// handler never sees them. The zero value is ready to use.
type ConsumedCredentials struct {
	headers     []consumedHeader
	first       [1]consumedHeader // backs headers; most requests have one
	cookies     []string          // names of the removed cookies
	cookieLines []string          // the lines of Cookie before any was removed
	query       *request.StrippedQuery
}

// consumedHeader is a removed header with the lines that the client sent, and with those that
// the next handler gets instead.
type consumedHeader struct {
	name           string
	lines, instead []string
}

// ConsumeParameter removes a credential from the query.
func (c *ConsumedCredentials) ConsumeParameter(r *http.Request, name string) {
	before := r.URL.RawQuery
	if cut := c.CutQuery(); cut.After == before && cut.Before != "" {
		before = cut.Before
	}
	r.URL.RawQuery = request.RemoveParameters(r.URL.RawQuery, []string{name})
	r.RequestURI = r.URL.RequestURI()
	c.query = &request.StrippedQuery{Before: before, After: r.URL.RawQuery}
}

// CutQuery returns the query before and after a credential was removed from it.
func (c *ConsumedCredentials) CutQuery() request.StrippedQuery {
	if c.query == nil {
		return request.StrippedQuery{}
	}
	return *c.query
}

// Restore puts the credentials in headers and cookies that an earlier handler removed
// back into the request. It reports whether there are any.
func (c *ConsumedCredentials) Restore(h http.Header) bool {
	for _, header := range c.headers {
		h[header.name] = slices.Clone(header.lines)
	}
	if c.cookieLines != nil {
		h["Cookie"] = slices.Clone(c.cookieLines)
	}
	return len(c.headers) > 0 || c.cookieLines != nil
}

// ConsumeHeader marks a header as the accepted credential, so that Remove removes it.
// The name is "" if no header held the credential.
func (c *ConsumedCredentials) ConsumeHeader(h http.Header, name string) {
	lines, present := h[name]
	if !present {
		return
	}
	i := slices.IndexFunc(c.headers, func(header consumedHeader) bool { return header.name == name })
	switch {
	case i >= 0:
		c.headers[i].lines = lines
		return
	case c.headers == nil:
		c.headers = c.first[:0]
	}
	c.headers = append(c.headers, consumedHeader{name: name, lines: lines})
}

// ReplaceHeader makes Remove set a consumed header to a value of ours; "" is none. A header
// that is not consumed stays as it is.
func (c *ConsumedCredentials) ReplaceHeader(name, value string) {
	for i := range c.headers {
		switch header := &c.headers[i]; {
		case header.name != name:
		case value == "":
			header.instead = nil
		default:
			header.instead = []string{value}
		}
	}
}

// ConsumeCookies marks cookies as credentials of this module, so that Remove removes
// them; other cookies stay.
func (c *ConsumedCredentials) ConsumeCookies(h http.Header, names ...string) {
	if len(names) == 0 {
		return
	}
	lines, present := h["Cookie"]
	if !present {
		return
	}
	if c.cookieLines == nil {
		c.cookieLines = lines
	}
	for _, name := range names {
		if !slices.Contains(c.cookies, name) {
			c.cookies = append(c.cookies, name)
		}
	}
}

// Remove deletes every consumed header and cookie from the request, or sets the header to the
// value that replaces it. It changes the map
// and never the slices in it, because the access log holds a copy of the map that
// shares them.
func (c *ConsumedCredentials) Remove(h http.Header) {
	for _, header := range c.headers {
		if delete(h, header.name); header.instead != nil {
			h[header.name] = header.instead
		}
	}
	if len(c.cookies) == 0 {
		return
	}
	if left := request.RemoveCookies(c.cookieLines, c.cookies); len(left) > 0 {
		h["Cookie"] = left
	} else {
		delete(h, "Cookie")
	}
}

// RemoveAll is Remove, and sets no header to another value.
func (c *ConsumedCredentials) RemoveAll(h http.Header) {
	for i := range c.headers {
		c.headers[i].instead = nil
	}
	c.Remove(h)
}
