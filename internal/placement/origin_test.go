package placement

import "testing"

// TestS22Origin: S-22. The origin of a site comes from its address, and only if that
// leaves no doubt.
func TestS22Origin(t *testing.T) {
	for name, test := range map[string]struct {
		hosts, listen []string
		want          string
	}{
		"a host":                   {[]string{"app.example.com"}, []string{":443"}, "https://app.example.com"},
		"an address of IPv6":       {[]string{"2001:db8::1"}, []string{":443"}, "https://[2001:db8::1]"},
		"two listeners":            {[]string{"app.example.com"}, []string{"10.0.0.1:443", "udp/10.0.0.2:443"}, "https://app.example.com"},
		"two hosts":                {[]string{"a.example.com", "b.example.com"}, []string{":443"}, ""},
		"a pattern":                {[]string{"*.example.com"}, []string{":443"}, ""},
		"hosts that are not known": {nil, []string{":443"}, ""},
		"http":                     {[]string{"app.example.com"}, []string{":80"}, ""},
		"another port":             {[]string{"app.example.com"}, []string{":8443"}, ""},
		"another port as well":     {[]string{"app.example.com"}, []string{":443", ":8443"}, ""},
		"ports":                    {[]string{"app.example.com"}, []string{":443-444"}, ""},
		"a socket":                 {[]string{"app.example.com"}, []string{"unix//run/caddy.sock"}, ""},
		"no listener":              {[]string{"app.example.com"}, nil, ""},
	} {
		if got := originOf(test.hosts, test.listen); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
