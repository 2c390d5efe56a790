package ops

import (
	"reflect"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/internal/egress"
)

func init() { egress.Protect(adminListeners) }

// loading is where the admin API of the configuration listens that was provisioned
// last, which may not be in use yet.
var loading atomic.Pointer[[]egress.Listener]

// ProtectAdmin keeps our clients from the admin API of a configuration that is
// being provisioned, before it is in use.
func ProtectAdmin(ctx caddy.Context) {
	listeners := listenersOf(ctx)
	loading.Store(&listeners)
}

// adminListeners returns where Caddy's admin API listens, or soon will.
func adminListeners() []egress.Listener {
	listeners := listenersOf(caddy.ActiveContext())
	if soon := loading.Load(); soon != nil {
		listeners = slices.Concat(listeners, *soon)
	}
	return listeners
}

// listenersOf returns where the admin API of a configuration listens. Without a
// configuration, as in a command, it is where another process's is by default.
// Caddy has no other way to ask a context for its configuration.
func listenersOf(ctx caddy.Context) []egress.Listener {
	local, remote := caddy.DefaultAdminListen, ""
	if config := reflect.ValueOf(ctx).FieldByName("cfg"); config.Kind() == reflect.Pointer && !config.IsNil() {
		if admin := config.Elem().FieldByName("Admin"); admin.Kind() == reflect.Pointer && !admin.IsNil() {
			local, remote = adminAddresses(admin.Elem())
		}
	}
	var listeners []egress.Listener
	for _, address := range []string{local, remote} {
		if address == "" {
			continue
		}
		if listener, ok := listenerAt(address); ok {
			listeners = append(listeners, listener)
		}
	}
	return listeners
}

// adminAddresses returns the addresses in a caddy.AdminConfig, "" for none.
func adminAddresses(admin reflect.Value) (local, remote string) {
	if disabled := admin.FieldByName("Disabled"); disabled.Kind() != reflect.Bool || !disabled.Bool() {
		local = textOr(admin.FieldByName("Listen"), caddy.DefaultAdminListen)
	}
	if secured := admin.FieldByName("Remote"); secured.Kind() == reflect.Pointer && !secured.IsNil() {
		remote = textOr(secured.Elem().FieldByName("Listen"), caddy.DefaultRemoteAdminListen)
	}
	return local, remote
}

// textOr returns the text of a field, or a default for an empty one.
func textOr(field reflect.Value, fallback string) string {
	if field.Kind() != reflect.String || field.String() == "" {
		return fallback
	}
	return field.String()
}

// listenerAt parses an address of the admin API as Caddy does.
func listenerAt(text string) (egress.Listener, bool) {
	address, err := caddy.ParseNetworkAddress(caddy.NewReplacer().ReplaceKnown(text, ""))
	if err != nil {
		return egress.Listener{}, false // Caddy does not listen there either
	}
	host := address.Host
	if address.IsUnixNetwork() {
		host, _, _ = strings.Cut(host, "|") // what follows is the socket's mode
	}
	if address.IsFdNetwork() {
		return listenerOfFile(host)
	}
	return egress.Listener{Network: address.Network, Host: host, Port: uint16(address.StartPort)}, true
}
