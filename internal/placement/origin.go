package placement

import (
	"net"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Origin returns the origin of the site whose handler is being provisioned, such as
// https://app.example.com, and its hosts. The origin is "" unless the site has one host
// and its server listens on the port 443 alone; the hosts are nil if the routes do not
// name them.
func Origin(ctx caddy.Context) (origin string, hosts []string) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return "", nil
	}
	hosts = siteHosts(ctx, server)
	return originOf(hosts, server.Listen), hosts
}

func originOf(hosts, listen []string) string {
	if len(hosts) != 1 || strings.Contains(hosts[0], "*") || len(listen) == 0 || slices.ContainsFunc(listen, isOtherPort) {
		return ""
	}
	host := hosts[0]
	if net.ParseIP(host) != nil && strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return "https://" + host
}

// isOtherPort reports whether a listener's port is not that of https.
func isOtherPort(address string) bool {
	parsed, err := caddy.ParseNetworkAddress(address)
	return err != nil || parsed.StartPort != 443 || parsed.EndPort != 443
}
