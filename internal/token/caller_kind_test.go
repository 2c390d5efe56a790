package token

import (
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// R-AT-5: a client that acts for itself does not pose as a user.
func TestN25Kinds(t *testing.T) {
	v := newVerifier(t, testConfig(t, "HS256"))
	user, client, unknown := authenticator.KindUser, authenticator.KindClient, authenticator.KindUnknown
	for name, test := range map[string]struct {
		changes map[string]any
		want    authenticator.Kind
	}{
		"N-25 no client is named":           {nil, user},
		"N-25 sub is client_id":             {map[string]any{"sub": "app", "client_id": "app"}, client},
		"N-25 sub is azp":                   {map[string]any{"sub": "app", "azp": "app"}, client},
		"N-25 sub is cid (Okta)":            {map[string]any{"sub": "0oa1", "cid": "0oa1", "scp": []string{"api"}}, client},
		"N-25 sub is appid (AD FS)":         {map[string]any{"sub": "app", "appid": "app"}, client},
		"N-25 other case":                   {map[string]any{"sub": "app", "client_id": "APP"}, unknown},
		"N-25 Cognito's machine":            {map[string]any{"sub": "app", "client_id": "app", "auth_time": testNow.Unix(), "token_use": "access"}, client},
		"N-25 Auth0's gty":                  {map[string]any{"gty": "client-credentials", "azp": "app"}, client},
		"N-25 gty in a list":                {map[string]any{"gty": []string{"client_credentials"}}, client},
		"N-25 gty of a person":              {map[string]any{"gty": "password", "azp": "app", "scope": "openid"}, user},
		"N-25 Auth0's subject":              {map[string]any{"sub": "app@clients", "azp": "app"}, client},
		"N-25 Auth0's subject alone":        {map[string]any{"sub": "app@clients"}, client},
		"N-25 Entra app-only":               {map[string]any{"idtyp": "app", "azp": "app", "oid": "1"}, client},
		"N-25 Entra app-only without idtyp": {map[string]any{"azp": "app", "oid": "alice", "roles": []string{"Task.Read"}}, unknown},
		"N-25 Entra user":                   {map[string]any{"idtyp": "user", "azp": "app"}, user},
		"N-25 Keycloak's service account":   {map[string]any{"azp": "app", "preferred_username": "service-account-app", "scope": "email profile"}, client},
		"N-25 a person of a client":         {map[string]any{"azp": "app", "email": "a@example.com"}, user},
		"N-25 a person by sid":              {map[string]any{"client_id": "app", "sid": "1"}, user},
		"N-25 a person by scope":            {map[string]any{"client_id": "app", "scope": "read openid"}, user},
		"N-25 a person by scp":              {map[string]any{"cid": "app", "scp": []string{"openid"}}, user},
		"N-25 nothing of a person":          {map[string]any{"client_id": "app", "scope": "read"}, unknown},
		"N-25 Kubernetes":                   {map[string]any{"sub": "system:serviceaccount:ns:name", "kubernetes.io": map[string]any{"serviceaccount": map[string]any{"name": "name"}}}, client},
		"N-25 SPIFFE":                       {map[string]any{"sub": "spiffe://example.org/api"}, client},
		"N-25 GitHub Actions":               {map[string]any{"sub": "repo:o/r", "job_workflow_ref": "o/r/.github/workflows/x.yml@main", "run_id": "1"}, client},
		"N-25 GitLab CI":                    {map[string]any{"pipeline_id": "1", "job_id": "2"}, client},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := v.Verify(token("HS256", test.changes))
			if err != nil || id.Kind != test.want {
				t.Errorf("identity %v, %v, want the kind %s", id, err, test.want)
			}
			if err == nil && (id.Kind == unknown) != (len(id.Unknown) == 1 && id.Unknown[0] == "kind") {
				t.Errorf("unknown %v", id.Unknown)
			}
		})
	}
	if kindOf(object{"client_id": ""}) != user {
		t.Error("an empty client_id makes a client of a token without a subject")
	}
}

// Evidence is what people cannot choose, and in doubt the kind is unknown.
func TestS13Evidence(t *testing.T) {
	for name, test := range map[string]struct {
		claims object
		want   authenticator.Kind
	}{
		"S-13 a name that only looks like one": {object{"sub": "u1", "azp": "app", "preferred_username": "service-account-other"}, authenticator.KindUnknown},
		"S-13 without azp":                     {object{"sub": "u1", "preferred_username": "service-account-app"}, authenticator.KindUser},
		"S-13 by client_id":                    {object{"sub": "u1", "client_id": "app", "preferred_username": "service-account-app"}, authenticator.KindUnknown},
		"S-13 a person who chose the name":     {object{"sub": "u1", "azp": "app", "preferred_username": "service-account-app", "auth_time": 1}, authenticator.KindUnknown},
		"S-13 azp is empty":                    {object{"sub": "u1", "azp": "", "preferred_username": "service-account-"}, authenticator.KindUser},
		"S-13 another client's subject":        {object{"sub": "other@clients", "azp": "app"}, authenticator.KindUnknown},
		"S-13 only @clients":                   {object{"sub": "@clients"}, authenticator.KindUser},
		"S-13 azp of a foreign form":           {object{"sub": "u1", "azp": 5, "email": "a@example.com"}, authenticator.KindUnknown},
		"S-13 gty of a foreign form":           {object{"sub": "u1", "gty": map[string]any{}, "email": "a@example.com"}, authenticator.KindUnknown},
		"S-13 idtyp of a foreign form":         {object{"sub": "u1", "idtyp": true}, authenticator.KindUnknown},
		"S-13 idtyp device":                    {object{"sub": "u1", "idtyp": "device", "name": "x"}, authenticator.KindUnknown},
		"S-13 a name of another's and sid":     {object{"sub": "u1", "azp": "app", "preferred_username": "service-account-other", "sid": "1"}, authenticator.KindUser},
		"S-13 evidence of foreign forms":       {object{"sub": "u1", "azp": "app", "name": true, "email": []any{}, "sid": map[string]any{}, "amr": []any{}, "auth_time": false}, authenticator.KindUnknown},
		"S-13 evidence that is empty":          {object{"sub": "u1", "azp": "app", "name": "", "email": "", "sid": ""}, authenticator.KindUnknown},
		"S-13 name is null":                    {object{"sub": "u1", "client_id": "app", "name": nil}, authenticator.KindUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			if got := kindOf(test.claims); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
