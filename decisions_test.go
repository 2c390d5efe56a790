package policyauth

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestDecisionLog: T-45, R-BR-12. Who listens gets a line for each decision that
// a policy made, without a credential; nobody else pays for one.
func TestDecisionLog(t *testing.T) {
	w := newEnv(t)
	h, logs := w.SiteWithDecisions(basicSite)
	_, _ = ask(h, asUser(get("/admin/", "Cookie", "session="+canary), "bob"), new(reached))
	_, _ = ask(h, asUser(get("/"), "alice"), new(reached))
	_, _ = ask(h, basic(get("/"), "alice", "wrong"), new(reached)) // no policy is asked
	entries := logs.All()
	if len(entries) != 2 {
		t.Fatalf("%d lines", len(entries))
	}
	encoded, err := json.Marshal(entries[0].ContextMap())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"path":"caddy/access/decision"`, `"allow":false`, `"username":"bob"`, `"authorization":"[redacted]"`} {
		if !strings.Contains(string(encoded), want) {
			t.Errorf("no %s in %s", want, encoded)
		}
	}
	if strings.Contains(string(encoded), canary) {
		t.Error("a credential is in the decision log")
	}
}
