// Package me answers pages that ask who is signed in: the caller as JSON, for scripts of
// the site's own origin and of origins that may send credentials.
package me

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/claimpath"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/textutil"
)

// Path is where the caller is shown.
const Path = "/.policy_auth/me"

// defaultFields are shown if none are configured.
var defaultFields = []string{"id", "username", "name", "email", "roles", "groups", "expires_at"}

// more are the fields that only this package shows, beside those of claimpath.
var more = map[string]claimpath.Field{
	"acr":        func(id *authenticator.Identity) any { return id.ACR },
	"amr":        func(id *authenticator.Identity) any { return id.AMR },
	"auth_time":  func(id *authenticator.Identity) any { return known(id.AuthTime) },
	"expires_at": func(id *authenticator.Identity) any { return known(id.ExpiresAt) },
}

// known returns a time in seconds since 1970, or nil for none.
func known(seconds int64) any {
	if seconds == 0 {
		return nil
	}
	return seconds
}

// Page shows the caller. Call New.
type Page struct {
	fields []field
}

type field struct {
	name  string // as JSON
	value claimpath.Field
}

// New returns a page with some fields, in that order. Nil means the default ones.
func New(names []string) (*Page, error) {
	if names == nil {
		names = defaultFields
	}
	p := new(Page)
	for i, name := range names {
		value, err := parseField(name)
		switch {
		case err != nil:
			return nil, err
		case slices.Contains(names[:i], name):
			return nil, fmt.Errorf("fields: %s is listed twice; remove one", name)
		}
		p.fields = append(p.fields, field{strconv.Quote(name), value})
	}
	return p, nil
}

// parseField returns the field of a name.
func parseField(name string) (claimpath.Field, error) {
	if value := more[name]; value != nil {
		return value, nil
	}
	value, err := claimpath.ParseField(name)
	if err == nil {
		return value, nil
	}
	if strings.HasPrefix(name, "claims.") {
		return nil, err
	}
	return nil, fmt.Errorf("fields: unknown field %q%s; allowed: %s", name, textutil.DidYouMean(name, FieldNames()), strings.Join(FieldNames(), " "))
}

// FieldNames returns the names of all fields, sorted.
func FieldNames() []string {
	names := claimpath.FieldNames()
	for name := range more {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Allowed reports whether a request may learn who is signed in: it is made by a page of
// the same origin, by one of an origin that credentialed allows, by a user who opens the
// address, or by a program. Browsers say where a request comes from by Sec-Fetch-Site, on
// https; where it is missing, by Origin and Referer. A browser that sends none of them
// looks like a program; pages of other sites cannot read what it gets.
func Allowed(r *http.Request, credentialed func(origin string) bool) bool {
	origins := r.Header["Origin"]
	if len(origins) > 1 {
		return false
	}
	if len(origins) == 1 && origins[0] != "null" && credentialed(origins[0]) {
		return true
	}
	if sites := r.Header["Sec-Fetch-Site"]; len(sites) > 0 {
		return len(sites) == 1 && (sites[0] == "same-origin" || sites[0] == "none")
	}
	if len(origins) == 1 {
		return request.IsSameOrigin(r)
	}
	referer := r.Header["Referer"]
	if len(referer) == 0 {
		return true
	}
	u, err := url.Parse(referer[0])
	return err == nil && len(referer) == 1 && strings.EqualFold(u.Host, r.Host)
}

// AllowsMethod answers requests with other methods than GET and HEAD, and returns false.
func AllowsMethod(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	w.WriteHeader(http.StatusMethodNotAllowed)
	return false
}

// Write writes the caller.
func (p *Page) Write(w http.ResponseWriter, r *http.Request, id *authenticator.Identity) error {
	body := []byte("{")
	for i, f := range p.fields {
		value, err := json.Marshal(f.value(id))
		if err != nil {
			return err
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = append(append(append(body, f.name...), ':'), value...)
	}
	body = append(body, "}\n"...)
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // it fails only if the client is gone
	}
	return nil
}

// Protect keeps an answer of any status from caches and from pages of other sites (S-23).
func Protect(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// AsScript returns a request that is denied like that of a script: with a problem
// document, and never by a page or a redirect.
func AsScript(r *http.Request) *http.Request {
	asked := r.WithContext(r.Context())
	asked.Header = r.Header.Clone()
	asked.Header["Accept"] = []string{"application/problem+json"}
	asked.Header["Sec-Fetch-Mode"] = []string{"cors"}
	return asked
}
