package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
)

func init() {
	caddy.RegisterModule(Admin{})
}

// Admin adds the endpoints below /policy_auth/ to Caddy's admin API, which
// checks hosts and origins before any of them runs (T-50):
//
//	GET  /policy_auth/policies          every policy set in use and its state
//	POST /policy_auth/policies/reload   reads all of them again, now
//	GET  /policy_auth/keys              every source of public keys and its state
//	GET  /policy_auth/decisions         the latest refusals; ?id= is that of a request, ?limit= how many
//	POST /policy_auth/explain           why a request was or would be refused
//	GET  /policy_auth/sessions          who is signed in; ?user= for one user's
//	DELETE /policy_auth/sessions?user=  signs a user out, with the app passwords; ?all=true all users
//	DELETE /policy_auth/sessions/<id>   ends one session
//	GET  /policy_auth/links             the share links, without their tokens
//	POST /policy_auth/links             makes a share link and shows its URL, once
//	DELETE /policy_auth/links/<id>      revokes one
//	GET  /policy_auth/app_passwords     the app passwords; ?user= for one user's
//	DELETE /policy_auth/app_passwords?user=  ends a user's app passwords, ?all=true those of all users
//	DELETE /policy_auth/app_passwords/<id>   ends one
type Admin struct{}

// CaddyModule returns the Caddy module information.
func (Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.policy_auth",
		New: func() caddy.Module { return new(Admin) },
	}
}

// Routes returns the endpoints.
func (Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/policy_auth/policies", Handler: only(http.MethodGet, showPolicies)},
		{Pattern: "/policy_auth/policies/reload", Handler: only(http.MethodPost, reloadPolicies)},
		{Pattern: "/policy_auth/keys", Handler: only(http.MethodGet, showKeys)},
		{Pattern: "/policy_auth/decisions", Handler: only(http.MethodGet, showDecisions)},
		{Pattern: "/policy_auth/explain", Handler: only(http.MethodPost, serveExplain)},
		{Pattern: sessionsPath, Handler: caddy.AdminHandlerFunc(sessions)},
		{Pattern: linksPath, Handler: caddy.AdminHandlerFunc(links)},
		{Pattern: linksPath + "/", Handler: only(http.MethodDelete, revokeLink)},
		{Pattern: sessionsPath + "/", Handler: only(http.MethodDelete, endSession)},
		{Pattern: appPasswordsPath, Handler: caddy.AdminHandlerFunc(appPasswords)},
		{Pattern: appPasswordsPath + "/", Handler: only(http.MethodDelete, endAppPassword)},
	}
}

// only answers other methods with 405.
func only(method string, handler caddy.AdminHandlerFunc) caddy.AdminHandler {
	return caddy.AdminHandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != method {
			w.Header().Set("Allow", method)
			return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("%s only", method)}
		}
		return handler(w, r)
	})
}

// showPolicies writes the state of every policy set, as an array.
func showPolicies(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, statuses())
}

// reloadPolicies reads every policy set again. It answers 200 and the new state
// if all were taken, and 422 and the same if one was not: its state says why,
// and it goes on with the last good policies.
func reloadPolicies(w http.ResponseWriter, _ *http.Request) error {
	status := http.StatusOK
	policies.Each(func(set *policy.Engine) {
		if set.Reload() != nil {
			status = http.StatusUnprocessableEntity
		}
	})
	return writeJSON(w, status, statuses())
}

// showKeys writes the state of every source of public keys, as an array. It
// names keys and shows none.
func showKeys(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, authn.KeyStatuses())
}

func statuses() []policy.Status {
	result := []policy.Status{}
	policies.Each(func(set *policy.Engine) { result = append(result, set.Status()) })
	slices.SortFunc(result, func(a, b policy.Status) int {
		return strings.Compare(strings.Join(a.Sources, "\n"), strings.Join(b.Sources, "\n"))
	})
	return result
}

func writeJSON(w http.ResponseWriter, status int, value any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(value)
}

// Interface guards.
var (
	_ caddy.Module      = (*Admin)(nil)
	_ caddy.AdminRouter = (*Admin)(nil)
)
