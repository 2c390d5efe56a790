//go:build linux

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// formToken finds the token of a sign-in form.
var formToken = regexp.MustCompile(`name="token" value="([^"]+)"`)

// requests returns the function that returns requests, with the cookie of a session if the
// row needs one.
func (s *subject) requests(w *env) (func() func() []byte, error) {
	if !s.signsIn {
		return func() func() []byte { return s.request(w) }, nil
	}
	if s.cookie == "" {
		cookie, err := signIn("http://" + s.servers[0].address)
		if err != nil {
			return nil, err
		}
		s.cookie = cookie
	}
	return func() func() []byte {
		return same("GET", "/api/v1/orders/42", func(*env) string { return s.cookie })(w)
	}, nil
}

// signIn signs in with the form and returns the Cookie header of the session.
func signIn(site string) (cookie string, err error) {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequest(http.MethodGet, site+"/.policy_auth/login", nil)
	if err != nil {
		return "", err
	}
	r.Host = host
	page, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer page.Body.Close()
	content, err := io.ReadAll(page.Body)
	if err != nil {
		return "", err
	}
	token := formToken.FindSubmatch(content)
	if token == nil {
		return "", fmt.Errorf("status %d, and no form to sign in", page.StatusCode)
	}
	form := url.Values{"username": {"alice"}, "password": {password}, "token": {string(token[1])}}
	if r, err = http.NewRequest(http.MethodPost, site+"/.policy_auth/login", strings.NewReader(form.Encode())); err != nil {
		return "", err
	}
	r.Host = host
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range page.Cookies() {
		r.AddCookie(c)
	}
	answer, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var pairs []string
	for _, c := range answer.Cookies() {
		if c.Value != "" {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	if answer.StatusCode != http.StatusSeeOther || len(pairs) == 0 {
		return "", fmt.Errorf("signing in got status %d", answer.StatusCode)
	}
	return "Cookie: " + strings.Join(pairs, "; ") + "\r\n", nil
}
