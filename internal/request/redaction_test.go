package request

import (
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestLooksSecret: T-45, which names are taken for those of credentials.
func TestLooksSecret(t *testing.T) {
	for _, name := range []string{"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-API-Key", "x_api_key", "X-Auth-Token", "access_token", "id_token_hint", "api_key", "apiKey", "key", "code", "client_secret", "X-Amz-Signature", "sig", "password", "X-CSRF-Token", "JSESSIONID"} {
		if !IsSecretName(name) {
			t.Errorf("%s does not", name)
		}
	}
	for _, name := range []string{"Accept", "User-Agent", "Host", "X-Forwarded-For", "page", "keyword", "q", "Content-Type", "Sec-Fetch-Site", "state"} {
		if IsSecretName(name) {
			t.Errorf("%s does", name)
		}
	}
}

// TestHide: T-45, no document shows a credential, whether somebody configured its
// place or not.
func TestHide(t *testing.T) {
	const canary = "canary-4711-test-material-only"
	r := httptest.NewRequest("GET", "https://h.example/p?page=1&access_token="+canary+"&sig="+canary, nil)
	for _, name := range []string{"Authorization", "Cookie", "X-Api-Key", "X-Vault-Token"} {
		r.Header.Set(name, canary)
	}
	r.Header.Set("Accept", "text/html")
	r.Header["Referer"] = []string{"https://h.example/page?page=1", "https://h.example/from?a=b&access_token=" + canary}
	r.Header.Set("X-Forwarded-Uri", "/from?code="+canary)
	req := New(r, Metadata{ID: func() string { return "id" }}, new(Config))
	encoded, err := json.Marshal(req.Document(req.Readings()[0], authenticator.Anonymous(), "", nil, AllFields))
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(encoded, &document); err != nil {
		t.Fatal(err)
	}
	for name, value := range req.Envoy(req.Readings()[0], nil, true) {
		encoded, _ := json.Marshal(value)
		var decoded any
		_ = json.Unmarshal(encoded, &decoded)
		document[name] = decoded
	}
	document["request"].(map[string]any)["body"] = map[string]any{"user": "bob", "login": []any{map[string]any{"password": canary}}}
	document["parsed_body"] = "user=bob&password=" + canary
	names := RedactSecrets(document)
	shown, _ := json.Marshal(document)
	if strings.Contains(string(shown), canary) {
		t.Errorf("%s", shown)
	}
	for _, kept := range []string{`"accept":"text/html"`, `"page":["1"]`, `"path":"/p"`, `"user":"bob"`, `"path":"/p?[redacted]"`, `"https://h.example/page?page=1","https://h.example/from?[redacted]"`} {
		if !strings.Contains(string(shown), kept) {
			t.Errorf("%s is gone from %s", kept, shown)
		}
	}
	if !slices.Contains(names, "access_token") || !slices.Contains(names, "x-vault-token") || slices.Contains(names, "accept") {
		t.Errorf("names: %v", names)
	}
	if again := RedactSecrets(document); len(again) > 0 {
		t.Errorf("hidden twice: %v", again)
	}
	RedactSecrets(map[string]any{"request": "text", "attributes": []any{1}}) // nothing to hide, and no panic
}
