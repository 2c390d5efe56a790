package testenv

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
)

// Get returns a GET with header fields, given as names and values in turn.
func Get(target string, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// Post is Get with another method.
func Post(target string, header ...string) *http.Request {
	r := Get(target, header...)
	r.Method = http.MethodPost
	return r
}

// Head is Get with another method.
func Head(target string, header ...string) *http.Request {
	r := Get(target, header...)
	r.Method = http.MethodHead
	return r
}

// AsUser adds the name and the password of a user of [New].
func AsUser(r *http.Request, name string) *http.Request { return AsPassword(r, name, Canary) }

// AsPassword adds a name and a password.
func AsPassword(r *http.Request, name, password string) *http.Request {
	r.SetBasicAuth(name, password)
	return r
}

// Secure makes a request one over TLS.
func Secure(r *http.Request) *http.Request {
	r.TLS = httptest.NewRequest(http.MethodGet, "https://example.com/", nil).TLS
	return r
}

// Navigate makes a request what a browser sends for a page.
func Navigate(r *http.Request) *http.Request {
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Accept", "text/html,*/*;q=0.8")
	return Secure(r)
}

// Filled is a sign-in form as a browser sends it.
func Filled(form, name, password, token string) *http.Request {
	values := url.Values{"username": {name}, "password": {password}, "token": {token}}
	r := httptest.NewRequest(http.MethodPost, form, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return Navigate(r)
}
