package exchange

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestConsumedCredentials: a second handler sees the credential that the first one
// consumed, and the next handler sees none (T-65).
func TestConsumedCredentials(t *testing.T) {
	tests := []struct {
		name        string
		consume     func(*Shared, http.Header)
		removed     http.Header
		wasConsumed bool
	}{
		{"header", func(s *Shared, h http.Header) { s.ConsumeHeader(h, "Authorization") }, http.Header{"Cookie": {"token=secret; theme=dark", "token=x"}}, true},
		{"header twice", func(s *Shared, h http.Header) {
			s.ConsumeHeader(http.Header{"Authorization": {"Basic old"}}, "Authorization")
			s.ConsumeHeader(h, "Authorization")
		}, http.Header{"Cookie": {"token=secret; theme=dark", "token=x"}}, true},
		{"header replaced", func(s *Shared, h http.Header) {
			s.ConsumeHeader(h, "Authorization")
			s.ReplaceHeader("Authorization", "Bearer y")
		}, http.Header{"Authorization": {"Bearer y"}, "Cookie": {"token=secret; theme=dark", "token=x"}}, true},
		{"header replaced by none", func(s *Shared, h http.Header) {
			s.ConsumeHeader(h, "Authorization")
			s.ReplaceHeader("Authorization", "Bearer y")
			s.ReplaceHeader("Authorization", "")
		}, http.Header{"Cookie": {"token=secret; theme=dark", "token=x"}}, true},
		{"another header replaced", func(s *Shared, h http.Header) {
			s.ConsumeHeader(h, "Authorization")
			s.ReplaceHeader("X-Token", "y")
		}, http.Header{"Cookie": {"token=secret; theme=dark", "token=x"}}, true},
		{"no header", func(s *Shared, h http.Header) { s.ConsumeHeader(h, "") }, http.Header{"Authorization": {"Basic x"}, "Cookie": {"token=secret; theme=dark", "token=x"}}, false},
		{"cookie", func(s *Shared, h http.Header) { s.ConsumeCookies(h, "token") }, http.Header{"Authorization": {"Basic x"}, "Cookie": {"theme=dark"}}, true},
		{"all cookies", func(s *Shared, h http.Header) {
			s.ConsumeCookies(h, "token")
			s.ConsumeCookies(h, "theme", "token")
		}, http.Header{"Authorization": {"Basic x"}}, true},
		{"no cookie", func(s *Shared, h http.Header) { s.ConsumeCookies(h) }, http.Header{"Authorization": {"Basic x"}, "Cookie": {"token=secret; theme=dark", "token=x"}}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sent := http.Header{"Authorization": {"Basic x"}, "Cookie": {"token=secret; theme=dark", "token=x"}}
			h, logged := sent.Clone(), slices.Clone(sent["Cookie"])
			lines := h["Cookie"]
			s := new(Shared)
			test.consume(s, h)
			s.Remove(h)
			if diff := cmp.Diff(test.removed, h); diff != "" {
				t.Errorf("after Remove: %s", diff)
			}
			if got := s.Restore(h); got != test.wasConsumed {
				t.Errorf("Restore reports %v", got)
			}
			if diff := cmp.Diff(sent, h); diff != "" {
				t.Errorf("after Restore: %s", diff)
			}
			if !slices.Equal(lines, logged) {
				t.Errorf("the access log's copy became %q", lines)
			}
		})
	}
}

// TestConsumeParameter: the query is reported as it was before the first handler cut it,
// however many handlers cut it.
func TestConsumeParameter(t *testing.T) {
	r := httptest.NewRequest("GET", "/x?key=a&b=1&token=c", nil)
	s := new(Shared)
	s.ConsumeParameter(r, "key")
	s.ConsumeParameter(r, "token")
	if got := s.CutQuery(); got.Before != "key=a&b=1&token=c" || got.After != "b=1" || r.URL.RawQuery != "b=1" || r.RequestURI != "/x?b=1" {
		t.Errorf("cut %+v, query %q, URI %q", got, r.URL.RawQuery, r.RequestURI)
	}
}

// TestSharedPrintsNoCredential: the request's variables, which hold the Shared, may be
// printed.
func TestSharedPrintsNoCredential(t *testing.T) {
	s := new(Shared)
	s.ConsumeHeader(http.Header{"Authorization": {"Basic secret"}}, "Authorization")
	if got := fmt.Sprint(s); strings.Contains(got, "secret") {
		t.Errorf("prints %q", got)
	}
}
