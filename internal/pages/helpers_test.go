package pages

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	requestID = "6f1e5c0a-9a57-4c52-8b7c-2f0c1d9f1a11"
	asHTML    = "text/html"
	asJSON    = "application/json"
	asText    = "text/plain"
)

// kinds are values of Accept, one for each kind of answer.
var kinds = []string{asHTML, asJSON, asText}

// open returns pages that fail the test if they report anything.
func open(t testing.TB, config Config) *Pages {
	t.Helper()
	p, err := New(config, func(err error) { t.Error("reported:", err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// ask returns the answer to a refused GET with the given header lines.
func ask(t testing.TB, p *Pages, d Denial, lines ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for i := 0; i+1 < len(lines); i += 2 {
		r.Header.Add(lines[i], lines[i+1])
	}
	recorder := httptest.NewRecorder()
	if err := p.Write(recorder, r, d); err != nil {
		t.Fatal(err)
	}
	return recorder.Result()
}

// bodyOf returns the body of the answer to a refused GET.
func bodyOf(t testing.TB, p *Pages, d Denial, lines ...string) string {
	t.Helper()
	var b strings.Builder
	if _, err := bufio.NewReader(ask(t, p, d, lines...).Body).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// refuse returns a refusal with next to nothing in it.
func refuse(status int, reason authenticator.Reason) Denial {
	return Denial{Status: status, Reason: reason, RequestID: requestID, MaxAge: -1}
}

func challenge(scheme string, params ...string) authenticator.Challenge {
	c := authenticator.Challenge{Scheme: scheme}
	for i := 0; i+1 < len(params); i += 2 {
		c.Params = append(c.Params, authenticator.Param{Name: params[i], Value: params[i+1]})
	}
	return c
}

// directory writes files that have long settled.
func directory(t testing.TB, contents map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range contents {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	longAgo := time.Now().Add(-time.Hour)
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err == nil {
			err = os.Chtimes(path, longAgo, longAgo)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
