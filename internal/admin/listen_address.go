package admin

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/internal/egress"
)

func init() { egress.Protect(adminListeners) }

// provisioning is where the admin API of the configuration listens that was provisioned
// last, which may not be in use yet.
var provisioning atomic.Pointer[[]egress.Listener]

// ProtectAdmin keeps our clients from the admin API of a configuration that is
// being provisioned, before it is in use.
func ProtectAdmin(ctx caddy.Context) {
	listeners := listenersOf(ctx)
	provisioning.Store(&listeners)
	if slices.Contains(listeners, egress.Anywhere) {
		ctx.Logger().Warn("policy_auth does not know where the admin API of this version of Caddy listens, and connects to no address or socket of this machine: use a version of policy_auth for this version of Caddy")
	}
}

// AddressFlag returns the flag by which commands reach the admin API of a configuration
// that is being provisioned; "" if it listens where they look for it, or nowhere.
func AddressFlag(ctx caddy.Context) string {
	local, _, _ := addressesIn(reflect.ValueOf(ctx))
	local, _, _ = strings.Cut(caddy.NewReplacer().ReplaceKnown(local, ""), "|") // without a socket's mode
	if strings.HasPrefix(local, ":") {
		local = "localhost" + local
	}
	if local == "" || local == defaultAdmin || strings.HasPrefix(local, "fd") {
		return ""
	}
	return " --address " + local
}

// defaultAdmin is where commands look for the admin API.
const defaultAdmin = "localhost:2019"

// adminListeners returns where Caddy's admin API listens, or soon will.
func adminListeners() []egress.Listener {
	listeners := listenersOf(caddy.ActiveContext())
	if soon := provisioning.Load(); soon != nil {
		listeners = slices.Concat(listeners, *soon)
	}
	return listeners
}

// listenersOf returns where the admin API of a configuration listens.
func listenersOf(ctx caddy.Context) []egress.Listener { return listenersIn(reflect.ValueOf(ctx)) }

// addressesIn reads the addresses of the admin API from a caddy.Context. Without a
// configuration, as in a command, it is where another process's is by default. They are
// not known if something is not built as this version of Caddy builds it: Caddy has no
// other way to ask a context for its configuration.
func addressesIn(ctx reflect.Value) (local, remote string, known bool) {
	local = caddy.DefaultAdminListen
	config, known := pointerField(ctx, "cfg")
	if known && config.IsValid() {
		var admin reflect.Value
		if admin, known = pointerField(config, "Admin"); known && admin.IsValid() {
			return adminAddresses(admin)
		}
	}
	return local, "", known
}

// listenersIn reads a caddy.Context. What is not built as this version of Caddy builds
// it may listen anywhere.
func listenersIn(ctx reflect.Value) []egress.Listener {
	local, remote, known := addressesIn(ctx)
	if !known {
		return []egress.Listener{egress.Anywhere}
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

// pointerField returns what a field points to, which is not valid for nil. It reports
// whether there is such a field.
func pointerField(of reflect.Value, name string) (value reflect.Value, known bool) {
	field := of.FieldByName(name)
	if field.Kind() != reflect.Pointer || field.Type().Elem().Kind() != reflect.Struct {
		return reflect.Value{}, false
	}
	return field.Elem(), true
}

// adminAddresses returns the addresses in a caddy.AdminConfig, "" for none, and
// whether it is built as expected.
func adminAddresses(admin reflect.Value) (local, remote string, known bool) {
	secured, known := pointerField(admin, "Remote")
	listen, disabled := admin.FieldByName("Listen"), admin.FieldByName("Disabled")
	if !known || listen.Kind() != reflect.String || disabled.Kind() != reflect.Bool {
		return "", "", false
	}
	if !disabled.Bool() {
		local = cmp.Or(listen.String(), caddy.DefaultAdminListen)
	}
	if !secured.IsValid() {
		return local, "", true
	}
	listen = secured.FieldByName("Listen")
	if listen.Kind() != reflect.String {
		return "", "", false
	}
	return local, cmp.Or(listen.String(), caddy.DefaultRemoteAdminListen), true
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
	return egress.Listener{Network: address.Network, Host: host, Port: uint16(address.StartPort)}, true //nolint:gosec // Caddy parsed it as a port
}
