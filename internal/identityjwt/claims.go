package identityjwt

import (
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// claims are the claims of a JWT. Texts that are not known are left out; lists are
// always there. There is no jti, because a JWT is sent with many requests.
type claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience string   `json:"aud"`
	IssuedAt int64    `json:"iat"`
	Expires  int64    `json:"exp"`
	Provider string   `json:"idp,omitempty"`
	Kind     string   `json:"kind"`
	Method   string   `json:"method"`
	Username string   `json:"username,omitempty"`
	Name     string   `json:"name,omitempty"`
	Email    string   `json:"email,omitempty"`
	Verified bool     `json:"email_verified,omitempty"`
	Roles    []string `json:"roles"`
	Groups   []string `json:"groups"`
	Scopes   []string `json:"scopes"`
	ACR      string   `json:"acr,omitempty"`
	AMR      []string `json:"amr,omitempty"`
	AuthTime int64    `json:"auth_time,omitempty"`
}

// claims returns the claims of a JWT that is issued now. It expires no later than the
// caller's credential.
func (i *Issuer) claims(id *authenticator.Identity, now time.Time) claims {
	c := claims{
		Issuer: i.config.Issuer, Subject: id.ID, Audience: i.config.Audience,
		IssuedAt: now.Unix(), Expires: now.Add(i.config.Lifetime).Unix(),
		Provider: id.Issuer, Kind: string(id.Kind), Method: id.Method, Username: id.Username, Name: id.Name,
		Email: id.Email, Verified: verifiedEmail(id), Roles: id.Roles, Groups: id.Groups, Scopes: id.Scopes,
		ACR: id.ACR, AMR: id.AMR, AuthTime: id.AuthTime,
	}
	if id.ExpiresAt != 0 {
		c.Expires = min(c.Expires, id.ExpiresAt)
	}
	return c
}

// verifiedEmail reports whether the issuer of the caller's credential verified the
// address.
func verifiedEmail(id *authenticator.Identity) bool {
	verified, _ := id.Claims["email_verified"].(bool)
	claimed, present := id.Claims["email"]
	local := !present && id.Issuer == "" // a user of users.yaml
	return verified && id.Email != "" && (local || claimed == id.Email)
}
