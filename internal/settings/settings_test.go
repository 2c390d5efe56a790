package settings

import (
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// TestJSON: what only JSON can say, as the grammar refuses it before, is an
// error as well.
func TestJSON(t *testing.T) {
	tests := []struct {
		name, want string
		check      func() error
	}{
		{"reload", `reload is watch or off, not "never"`, func() error {
			_, err := (&Policies{Reload: "never"}).Config(nil)
			return err
		}},
		{"body", "max_size is -1", func() error {
			_, err := (&Body{MaxSize: -1}).Limits()
			return err
		}},
		{"N-11 values of a body", "max_values is -1", func() error {
			_, err := (&Body{MaxValues: -1}).Limits()
			return err
		}},
		{"N-11 depth of a body", "max_depth is 1001; it wants a number from 1 to 1000", func() error {
			_, err := (&Body{MaxDepth: 1001}).Limits()
			return err
		}},
		{"mode", `mode is one of [pages delegate bare], not "none"`, func() error {
			_, _, err := (&ErrorPages{Mode: "none"}).Open(nil)
			return err
		}},
		{"a word that is no directory", "did you mean delegate?", func() error {
			_, _, err := (&ErrorPages{Dir: "delgate"}).Open(nil)
			return err
		}},
		{"origins", "cors: ", func() error {
			_, err := (&CORS{Origins: []string{"example"}}).Build(nil)
			return err
		}},
		{"a constant", "config: a: b: ", func() error {
			constants := Constants{"a": map[string]any{"b": []any{"{env.POLICY_AUTH_TEST_MISSING}"}}}
			_, err := constants.Resolve(caddy.NewReplacer())
			return err
		}},
		{"pages that nobody sees", "of no use with bare", (&ErrorPages{Mode: "bare", Dir: "pages"}).Validate},
		{"pages for error routes", "of no use with delegate", (&ErrorPages{Mode: "delegate", Dir: "pages"}).Validate},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := test.check(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// TestLeftOut: a block that is left out has its defaults.
func TestLeftOut(t *testing.T) {
	if config, err := (*Policies)(nil).Config([]string{"access.yaml"}); err != nil || !config.Watch || len(config.Access) != 1 || config.Sources != nil {
		t.Errorf("policies: %+v, %v", config, err)
	}
	if limits, err := (*Body)(nil).Limits(); err != nil || limits.Size != 1<<20 || limits.Values != 20_000 || limits.Depth != 64 {
		t.Errorf("body: %+v, %v", limits, err)
	}
	var none *ErrorPages
	pages, release, err := none.Open(nil)
	if err != nil || none.Delegate() || none.Validate() != nil {
		t.Fatal("error_pages", err)
	}
	again, releaseAgain, err := none.Open(nil)
	if err != nil || again != pages {
		t.Error("N-17: sites with the same pages do not share them", err)
	}
	release()
	releaseAgain()
}

// TestPolicies: a second block adds to the first, and each word counts.
func TestPolicies(t *testing.T) {
	var p Policies
	for _, block := range []string{
		"policies a b {\n decision data.x.allow\n timeout 2s\n reload off\n}",
		"policies c {\n builtins allow http.send\n opa_envoy\n claims_schema s.json\n require_tests\n decision_cache off\n}",
	} {
		d := caddyfile.NewTestDispenser(block)
		d.Next()
		if err := p.Parse(d, nil); err != nil {
			t.Fatal(err)
		}
	}
	config, err := p.Config(nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(config.Sources, " ") != "a b c" || config.Decision != "data.x.allow" || config.Timeout != 2*time.Second || config.Watch ||
		strings.Join(config.AllowBuiltins, " ") != "http.send" || !config.OPAEnvoy || config.ClaimsSchema != "s.json" || !config.RequireTests || config.DecisionCache != -1 {
		t.Errorf("%+v", config)
	}
}
