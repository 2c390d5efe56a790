package placement

import (
	"encoding/json"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// TestS01OwnStatus: S-01. Error routes of the site that may turn a denial into 2xx are found.
func TestS01OwnStatus(t *testing.T) {
	for name, test := range map[string]struct {
		routes string
		hosts  []string
		want   string
	}{
		"none":                    {`[]`, nil, ""},
		"a proxy":                 {`[{"handle": [{"handler": "headers"}, {"handler": "reverse_proxy"}]}]`, nil, "reverse_proxy"},
		"a proxy in a subroute":   {`[{"match": [{"host": ["APP.example.com"]}], "handle": [{"handler": "subroute", "routes": [{"handle": [{"handler": "reverse_proxy"}]}]}]}]`, []string{"app.example.com"}, "reverse_proxy"},
		"a proxy of another site": {`[{"match": [{"host": ["b.example.com"]}], "handle": [{"handler": "reverse_proxy"}]}]`, []string{"app.example.com"}, ""},
		"a proxy for many sites":  {`[{"match": [{"host": ["*.example.com"]}], "handle": [{"handler": "reverse_proxy"}]}]`, []string{"app.example.com"}, "reverse_proxy"},
		"a proxy for an error":    {`[{"match": [{"expression": "{http.error.status_code} == 403"}], "handle": [{"handler": "reverse_proxy"}]}]`, []string{"app.example.com"}, "reverse_proxy"},
		"hosts that are unknown":  {`[{"match": [{"host": ["b.example.com"]}], "handle": [{"handler": "reverse_proxy"}]}]`, nil, "reverse_proxy"},
		"replace_status":          {`[{"handle": [{"handler": "reverse_proxy", "handle_response": [{"status_code": "{http.error.status_code}"}]}]}]`, nil, ""},
		"a text":                  {`[{"handle": [{"handler": "static_response", "body": "x"}]}]`, nil, ""},
		"a text with 200":         {`[{"handle": [{"handler": "static_response", "status_code": 200}]}]`, nil, "static_response"},
		"a text with 403":         {`[{"handle": [{"handler": "static_response", "status_code": "403"}]}]`, nil, ""},
		"a file":                  {`[{"handle": [{"handler": "file_server"}]}]`, nil, ""},
		"a file with 200":         {`[{"handle": [{"handler": "file_server", "status_code": "200"}]}]`, nil, "file_server"},
	} {
		var routes caddyhttp.RouteList
		if err := json.Unmarshal([]byte(test.routes), &routes); err != nil {
			t.Fatal(err)
		}
		if got := ownStatus(routes, test.hosts); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
