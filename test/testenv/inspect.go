package testenv

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/pages/challengetest"
)

// Inspect returns how an answer of ours, which is not the next handler's, breaks
// the rules that all of them keep: those of challenges and
// of caches.
func Inspect(status int, h http.Header) error {
	challenges, err := challengetest.Read(h)
	lines := h["Www-Authenticate"]
	isBasic := func(c challengetest.Challenge) bool { return c.Scheme == "Basic" }
	switch {
	case err != nil:
		return err
	case status == http.StatusUnauthorized && len(challenges) == 0:
		return errors.New("a 401 without a challenge")
	case status == http.StatusUnauthorized && h["Location"] != nil:
		return errors.New("a 401 with a Location")
	case status == http.StatusProxyAuthRequired, h["Proxy-Authenticate"] != nil:
		return errors.New("a proxy's answer")
	case len(challenges) != len(lines):
		return fmt.Errorf("several challenges on a line: %q", lines)
	case slices.IndexFunc(challenges, isBasic) > 0:
		return fmt.Errorf("the first challenge is not Basic: %q", lines)
	case len(strings.Join(lines, "")) > 4<<10:
		return fmt.Errorf("%d bytes of challenges", len(strings.Join(lines, "")))
	}
	return inspectRefusal(status, h)
}

// inspectRefusal holds what is true of refusals alone.
func inspectRefusal(status int, h http.Header) error {
	if status < http.StatusMultipleChoices {
		return nil
	}
	if got := h["Cache-Control"]; len(got) != 1 || got[0] != "no-store" {
		return fmt.Errorf("a %d with Cache-Control %q", status, got)
	}
	if len(h["X-Request-Id"]) != 1 {
		return fmt.Errorf("a %d with the request's id %q", status, h["X-Request-Id"])
	}
	for _, name := range []string{"Etag", "Expires", "Last-Modified", "Age"} {
		if h[name] != nil {
			return fmt.Errorf("a %d with %s %q", status, name, h[name])
		}
	}
	return nil
}
