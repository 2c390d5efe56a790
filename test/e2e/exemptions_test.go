//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestE2EOmitted: in a real Caddyfile, with snippets and routes, a block that
// leaves out the method takes nothing away from the site's own (T-11), and no
// header of a client's exempts it (T-06).
func TestE2EOmitted(t *testing.T) {
	w := newEnv(t)
	w.Write("all.yaml", "rules:\n  - allow: [{anyone: true}]\n")
	admin, listen := "127.0.0.1:"+port(t), port(t)
	w.Write("Caddyfile", strings.ReplaceAll(fmt.Sprintf(`{
	admin %s
	auto_https off
}
(known) {
	policy_auth {
		basic {
			users DIR/users.yaml
		}
	}
}
(anyone) {
	policy_auth {
		access DIR/all.yaml
	}
}
http://127.0.0.1:%s {
	import known
	handle /override/* {
		import anyone
		respond protected
	}
	handle_path /stripped/* {
		import anyone
		respond protected
	}
	route /route/* {
		import anyone
		import known
		respond protected
	}
	respond protected
}
`, admin, listen), "DIR", w.Dir))
	start(t, w.Dir, "Caddyfile", admin)
	url := "http://127.0.0.1:" + listen
	for _, path := range []string{"/", "/override/x", "/stripped/x", "/route/x", "/healthz"} {
		if status, _, body := do(t, "GET", url+path, ""); status != 401 || strings.Contains(body, "protected") {
			t.Errorf("%s: a stranger gets %d", path, status)
		}
		if status, _, _ := do(t, "GET", url+path, "", "User-Agent", "kube-probe/1.34", "X-Forwarded-For", "127.0.0.1", "X-Original-Url", "/public/"); status != 401 {
			t.Errorf("%s: a health check gets %d", path, status)
		}
		if status, _, body := do(t, "GET", url+path, "bob"); status != 200 || body != "protected" {
			t.Errorf("%s: a user gets %d", path, status)
		}
	}
}
