package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
)

// TestAccessConcurrent: requests with several readings are judged and explained by one
// version of a table each, while the table changes (T-09, T-61).
func TestAccessConcurrent(t *testing.T) {
	d := policytest.NewDir(t)
	versions := []string{"a", "b", "c"}
	write := func(version string) string {
		return d.Write("access.yaml", "blocked: {users: ["+version+"]}\nrules:\n"+strings.Repeat("  - {paths: [/x], allow: []}\n", 1+slices.Index(versions, version))+
			"  - {paths: [/"+version+"/*], allow: [{anyone: true, methods: [GET]}]}\n")
	}
	set := open(t, Config{Access: []string{write("a")}, Timeout: time.Minute})
	allowed := sync.Map{} // the version that a revision allows
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for worker := range 8 {
		workers.Go(func() {
			for i := worker; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				version := versions[i%len(versions)]
				number := slices.Index(versions, version)
				got := set.Decide(t.Context(), asked("/"+version+"//x%2fy", ""))
				if rule := fmt.Sprintf("access.yaml:%d (rule %d)", 4+number, 2+number); got.Err != nil || got.Allow != (got.Labels["rule"] == rule) {
					t.Errorf("%s: %+v", version, got)
				}
				if !got.Allow {
					continue
				}
				if known, _ := allowed.LoadOrStore(got.Revision, version); known != version {
					t.Errorf("revision %s allows %s and %s", got.Revision, known, version)
				}
				snapshot, document := set.Snapshot(), ast.MustInterfaceToValue(map[string]any{"request": map[string]any{"method": "GET", "path_folded": "/" + version}})
				decided, _ := snapshot.DecideDocument(t.Context(), document, time.Now().Add(time.Minute), time.Time{})
				if explained, err := snapshot.ExplainTable(document); err != nil || explained == nil || decided.Allow != explained.Allow {
					t.Errorf("%s: %+v %v", version, explained, err)
				}
			}
		})
	}
	for i := range 60 {
		write(versions[i%len(versions)])
		if err := set.Reload(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	workers.Wait()
}
