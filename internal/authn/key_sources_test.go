package authn

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// TestReusedRemoteStore: a source of keys that a new configuration takes over keeps
// them in that one's storage.
func TestReusedRemoteStore(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	}))
	defer server.Close()
	before, now := &certmagic.FileStorage{Path: t.TempDir()}, &certmagic.FileStorage{Path: t.TempDir()}
	config := token.RemoteKeySetConfig{Issuer: server.URL, URL: server.URL}
	first, releaseFirst, err := acquireRemote(config, before)
	if err != nil {
		t.Fatal(err)
	}
	second, release, err := acquireRemote(config, now)
	if err != nil || first != second {
		t.Fatal("the source is not reused", err)
	}
	defer release()
	releaseFirst()
	if keys, err := second.Candidates("a", "EdDSA"); err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	kept := func(s *certmagic.FileStorage) int {
		files, _ := filepath.Glob(filepath.Join(s.Path, "policy_auth", "keys", "*.json"))
		return len(files)
	}
	for end := time.Now().Add(30 * time.Second); kept(now) == 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if kept(before) != 0 || kept(now) != 1 {
		t.Errorf("kept %d before, %d now", kept(before), kept(now))
	}
}
