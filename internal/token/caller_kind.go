package token

import (
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// clientClaims are the claims with the client ID: of RFC 9068, OpenID Connect,
// Okta, and Entra ID and AD FS.
var clientClaims = []string{"client_id", "azp", "cid", "appid"}

// userClaims are in tokens of users and not in tokens of programs with their own
// credentials.
var userClaims = []string{"sid", "auth_time", "email", "name", "preferred_username"}

// serviceAccount is the prefix of the names of Keycloak's service accounts.
const serviceAccount = "service-account-"

// kindOf returns whether a token is about a user or about a program that acts for
// itself. It uses claims that users cannot choose. A token that names a client but
// has no claim of a user may be about either: its kind is unknown.
func kindOf(claims object) authenticator.Kind {
	clients, readable := clientNames(claims)
	switch {
	case isProgram(claims, clients):
		return authenticator.KindClient
	case isServiceAccount(claims):
		if hasClaim(claims, "auth_time") { // a user with that name signed in
			return authenticator.KindUnknown
		}
		return authenticator.KindClient
	case !readable:
		return authenticator.KindUnknown
	case len(clients) > 0 && !describesUser(claims):
		return authenticator.KindUnknown
	}
	return authenticator.KindUser
}

// clientNames returns the client IDs. Readable is false if a claim about the kind
// of caller has an unexpected type.
func clientNames(claims object) (clients []string, readable bool) {
	readable = true
	for _, name := range clientClaims {
		client, _, err := claims.text(name)
		if err != nil {
			readable = false
		}
		if client != "" {
			clients = append(clients, client)
		}
	}
	idtyp, _, err := claims.text("idtyp")
	if err != nil || idtyp != "" && idtyp != "user" && idtyp != "app" {
		readable = false
	}
	if _, ok := grantTypes(claims); !ok {
		readable = false
	}
	return clients, readable
}

// grantTypes returns the grant types in gty: a string in tokens of Auth0, and a
// list in those of other issuers.
func grantTypes(claims object) ([]string, bool) {
	switch gty := claims["gty"].(type) {
	case nil:
		return nil, true
	case string:
		return splitScope(gty), true
	default:
		return stringList(gty)
	}
}

// isProgram reports whether a token says that its subject is a program: the client
// itself (RFC 9068, section 5; RFC 9700, section 4.15), or by a claim of Auth0,
// Entra ID, Kubernetes, SPIFFE or a CI server.
func isProgram(claims object, clients []string) bool {
	subject, _, _ := claims.text("sub")
	grants, _ := grantTypes(claims)
	owner, ofClients := strings.CutSuffix(subject, "@clients")
	kubernetes, _ := claims["kubernetes.io"].(map[string]any)
	switch {
	case subject != "" && slices.Contains(clients, subject):
		return true
	case claims["idtyp"] == "app":
		return true
	case slices.Contains(grants, "client-credentials"), slices.Contains(grants, "client_credentials"):
		return true
	case ofClients && owner != "":
		return len(clients) == 0 || slices.Contains(clients, owner)
	case strings.HasPrefix(subject, "spiffe://"), kubernetes["serviceaccount"] != nil:
		return true
	}
	// a job of GitHub Actions or of GitLab
	return hasClaim(claims, "job_workflow_ref") && hasClaim(claims, "run_id") || hasClaim(claims, "pipeline_id") && hasClaim(claims, "job_id")
}

// isServiceAccount reports whether the name is that of a Keycloak service account
// of the client. Users can choose preferred_username, so that only an exact match
// counts.
func isServiceAccount(claims object) bool {
	client, _, _ := claims.text("azp")
	return client != "" && claims["preferred_username"] == serviceAccount+client
}

// describesUser reports whether a token has a claim that only tokens of users have.
// Claims of an unexpected type are ignored.
func describesUser(claims object) bool {
	for _, name := range userClaims {
		if text := stringOrNumber(claims[name]); text != "" && !strings.HasPrefix(text, serviceAccount) {
			return true
		}
	}
	methods, _ := claims["amr"].([]any)
	if len(methods) > 0 || stringOrNumber(claims["amr"]) != "" || claims["idtyp"] == "user" {
		return true
	}
	for _, name := range []string{"scope", "scp"} {
		scopes, _ := stringList(claims[name])
		if text, ok := claims[name].(string); ok {
			scopes = splitScope(text)
		}
		if slices.Contains(scopes, "openid") {
			return true
		}
	}
	return false
}

// hasClaim reports whether a claim is present and not null.
func hasClaim(claims object, name string) bool { return claims[name] != nil }
