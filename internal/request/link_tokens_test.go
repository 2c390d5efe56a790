package request

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestS19LogPath: logs show the path of a share link without its token, on every site.
func TestS19LogPath(t *testing.T) {
	for target, want := range map[string]string{
		"/.policy_auth/link/secret":       "/.policy_auth/link/[redacted]",
		"/.policy_auth/link/secret/x":     "/.policy_auth/link/[redacted]/x",
		"/base/.policy_auth/link/secret":  "/base/.policy_auth/link/[redacted]",
		"/.policy_auth/link/secret?a=b":   "/.policy_auth/link/[redacted]",
		"/.policy_auth/link/":             "/.policy_auth/link/",
		"/%2epolicy_auth/%6cink/secret":   "/.policy_auth/link/[redacted]",
		"/%252epolicy_auth/link/secret":   "/%2epolicy_auth/link/[redacted]",
		"/.policy_auth%252Flink/secret":   "/.policy_auth%2Flink/[redacted]",
		"//.policy_auth//link//secret":    "//.policy_auth//link//[redacted]",
		"/.policy_auth/./link/./secret":   "/.policy_auth/./link/./[redacted]",
		"/.policy_auth;a=b/link;c/secret": "/.policy_auth;a=b/link;c/[redacted]",
		"/.policy_auth/login":             "/.policy_auth/login",
		"/link/secret":                    "/link/secret",
	} {
		r := New(httptest.NewRequest("GET", target, nil), Metadata{}, new(Config))
		if got := r.LogPath(); got != want {
			t.Errorf("%s: %s", target, got)
		}
	}
}

// TestS19HideLinks: no document that is logged or kept has the token of a share link.
func TestS19HideLinks(t *testing.T) {
	const token = "canary-4711-of-a-link"
	link := "https://h.example/.policy_auth/link/" + token
	r := httptest.NewRequest("GET", link+"?page=1", nil)
	r.Header.Set("Referer", link)
	r.Header.Set("X-Original-Uri", "/x?from=%2F.policy_auth%2flink%2F"+token)
	r.Header.Set("Destination", link)
	req := New(r, Metadata{ID: func() string { return "id" }}, new(Config))
	document := map[string]any{}
	encoded, err := json.Marshal(req.Document(req.Readings()[0], authenticator.Anonymous(), "", nil, AllFields))
	if err == nil {
		err = json.Unmarshal(encoded, &document)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range req.Envoy(req.Readings()[0], nil, true) {
		encoded, _ := json.Marshal(value)
		var decoded any
		_ = json.Unmarshal(encoded, &decoded)
		document[name] = decoded
	}
	RedactSecrets(document)
	shown, _ := json.Marshal(document)
	if strings.Contains(string(shown), token) {
		t.Errorf("%s", shown)
	}
	for _, kept := range []string{`"path":"/.policy_auth/link/[redacted]"`, `"segments":[".policy_auth","link","[redacted]"]`, `"page":["1"]`} {
		if !strings.Contains(string(shown), kept) {
			t.Errorf("%s is gone from %s", kept, shown)
		}
	}
}
