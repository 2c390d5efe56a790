package placement

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddytls"
)

// TestRMT4ClientAuth: R-MT-4, T-64. A site whose connections may have certificates that
// nothing verifies does not load, unless it verifies them itself; one whose connections
// never have any does not either.
func TestRMT4ClientAuth(t *testing.T) {
	const (
		ca   = `"ca": {"provider": "file", "pem_files": ["ca.pem"]}`
		mode = "has the mode"
		none = "no TLS connection of this site asks"
		pool = "has no trust_pool"
	)
	const noName = "for an IP address clients send no name"
	site, address := []string{"app.example.com"}, []string{"192.0.2.1"}
	for name, test := range map[string]struct {
		policies string
		hosts    []string
		want     string // without roots of the handler's own
		own      string // with them
	}{
		"verify_if_given":                {`[{"client_authentication": {"mode": "verify_if_given", ` + ca + `}}]`, site, "", ""},
		"require_and_verify":             {`[{"client_authentication": {"mode": "require_and_verify", ` + ca + `}}]`, site, "", ""},
		"the default with a pool":        {`[{"client_authentication": {` + ca + `}}]`, site, "", ""},
		"certificates inline":            {`[{"client_authentication": {"trusted_ca_certs": ["AAAA"]}}]`, site, "", ""},
		"files of before":                {`[{"client_authentication": {"trusted_ca_certs_pem_files": ["ca.pem"]}}]`, site, "", ""},
		"request":                        {`[{"client_authentication": {"mode": "request", ` + ca + `}}]`, site, mode, ""},
		"require":                        {`[{"client_authentication": {"mode": "require"}}]`, site, mode, ""},
		"the default without a pool":     {`[{"client_authentication": {"verifiers": [{"verifier": "leaf"}]}}]`, site, mode, ""},
		"verify_if_given without a pool": {`[{"client_authentication": {"mode": "verify_if_given"}}]`, site, pool, ""},
		"no policies":                    {`[]`, site, none, none},
		"a policy without client_auth":   {`[{}]`, site, none, none},
		"an empty client_auth":           {`[{"client_authentication": {}}]`, site, none, none},
		"of the site":                    {`[{"match": {"sni": ["app.example.com"]}, "client_authentication": {"mode": "request"}}, {}]`, site, mode, ""},
		"of the site, in another case":   {`[{"match": {"sni": ["APP.example.com"]}, "client_authentication": {"mode": "request"}}, {}]`, site, mode, ""},
		"of another site":                {`[{"match": {"sni": ["b.example.com"]}, "client_authentication": {"mode": "request"}}, {"client_authentication": {` + ca + `}}]`, site, "", ""},
		"of another site alone":          {`[{"match": {"sni": ["b.example.com"]}, "client_authentication": {` + ca + `}}]`, site, none, none},
		"the first of two":               {`[{"client_authentication": {` + ca + `}}, {"client_authentication": {"mode": "request"}}]`, site, "", ""},
		"the first does not ask":         {`[{"match": {"sni": ["*.example.com"]}}, {"client_authentication": {"mode": "request"}}]`, site, none, none},
		"a wildcard":                     {`[{"match": {"sni": ["*.example.com"]}, "client_authentication": {"mode": "request"}}]`, site, mode, ""},
		"a site of many hosts":           {`[{"match": {"sni": ["app.example.com"]}, "client_authentication": {"mode": "request"}}, {"client_authentication": {` + ca + `}}]`, []string{"*.example.com"}, mode, ""},
		"one of two hosts":               {`[{"match": {"sni": ["b.example.com"]}, "client_authentication": {"mode": "request"}}, {"client_authentication": {` + ca + `}}]`, []string{"app.example.com", "b.example.com"}, mode, ""},
		"hosts that are not known":       {`[{"match": {"sni": ["b.example.com"]}, "client_authentication": {"mode": "request"}}]`, nil, mode, ""},
		"some addresses":                 {`[{"match": {"remote_ip": {"ranges": ["10.0.0.0/8"]}}, "client_authentication": {"mode": "request"}}, {"client_authentication": {` + ca + `}}]`, site, mode, ""},
		"some addresses of the site":     {`[{"match": {"sni": ["app.example.com"], "remote_ip": {}}, "client_authentication": {` + ca + `}}, {"client_authentication": {"mode": "require"}}]`, site, mode, ""},
		"a placeholder":                  {`[{"match": {"sni": ["{env.HOST}"]}, "client_authentication": {"mode": "request"}}]`, site, mode, ""},
		"an address":                     {`[{"client_authentication": {"mode": "request"}}]`, address, mode, ""},
		"an address, of another site":    {`[{"match": {"sni": ["192.0.2.1"]}, "client_authentication": {` + ca + `}}, {"client_authentication": {"mode": "request"}}]`, address, mode, ""},
		"an address, of a name":          {`[{"match": {"sni": ["app.example.com"]}, "client_authentication": {"mode": "request"}}, {"client_authentication": {` + ca + `}}]`, address, "", ""},
		"an address, never asked":        {`[{"match": {"sni": ["192.0.2.1"]}, "client_authentication": {` + ca + `}}, {}]`, address, noName, noName},
		"an address of version 6":        {`[{"match": {"sni": ["::1"]}, "client_authentication": {` + ca + `}}, {}]`, []string{"::1"}, noName, noName},
		"an address that a client names": {`[{"match": {"sni": ["192.0.2.1"]}, "client_authentication": {"mode": "request"}}, {"client_authentication": {` + ca + `}}]`, address, mode, ""},
		"an address beside a name":       {`[{"match": {"sni": ["app.example.com"]}, "client_authentication": {` + ca + `}}, {"client_authentication": {"mode": "request"}}]`, []string{"app.example.com", "192.0.2.1"}, mode, ""},
		"a pattern of addresses":         {`[{"match": {"sni": ["app.example.com"]}, "client_authentication": {` + ca + `}}, {"client_authentication": {"mode": "request"}}]`, []string{"app.example.com", "*.*.*.*"}, mode, ""},
		"an sni of another form":         {`[{"match": {"sni": "app.example.com"}, "client_authentication": {"mode": "request"}}]`, site, mode, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var policies caddytls.ConnectionPolicies
			if err := json.Unmarshal([]byte(test.policies), &policies); err != nil {
				t.Fatal(err)
			}
			for ownRoots, want := range map[bool]string{false: test.want, true: test.own} {
				err := checkClientAuth(policies, test.hosts, ownRoots)
				if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
					t.Errorf("own roots %v: %v, want %q", ownRoots, err, want)
				}
			}
		})
	}
}
