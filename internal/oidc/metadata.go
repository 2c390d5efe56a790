package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// document is a metadata document (OpenID Connect Discovery, section 3; RFC 8414,
// section 2; RFC 9126, section 5; RFC 9207, section 3).
type document struct {
	Issuer, Authorization, Token              string
	Userinfo, EndSessionEndpoint, PAREndpoint string
	AuthMethods, AuthAlgorithms               []string
	ChallengeMethods, Algorithms              []string
	RequirePAR, SendsIss                      bool
	// Ignored are errors of optional members, which are treated as missing.
	Ignored []error
}

// The members that are endpoints.
const (
	memberAuthorization = "authorization_endpoint"
	memberToken         = "token_endpoint"
	memberUserinfo      = "userinfo_endpoint"
	memberEndSession    = "end_session_endpoint"
	memberPushed        = "pushed_authorization_request_endpoint"
)

// readDocument parses a metadata document. Its errors name the member.
func readDocument(body []byte) (*document, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return nil, errors.New("the metadata is not a JSON object")
	}
	d := new(document)
	for name, into := range map[string]*string{"issuer": &d.Issuer, memberAuthorization: &d.Authorization, memberToken: &d.Token} {
		if raw, present := members[name]; present && json.Unmarshal(raw, into) != nil {
			return nil, fmt.Errorf("the metadata's %s is not a text", name)
		}
	}
	optional := map[string]any{
		memberUserinfo: &d.Userinfo, memberEndSession: &d.EndSessionEndpoint, memberPushed: &d.PAREndpoint,
		"token_endpoint_auth_methods_supported":            (*stringList)(&d.AuthMethods),
		"token_endpoint_auth_signing_alg_values_supported": (*stringList)(&d.AuthAlgorithms),
		"code_challenge_methods_supported":                 (*stringList)(&d.ChallengeMethods),
		"id_token_signing_alg_values_supported":            (*stringList)(&d.Algorithms),
		"require_pushed_authorization_requests":            (*boolean)(&d.RequirePAR),
		"authorization_response_iss_parameter_supported":   (*boolean)(&d.SendsIss),
	}
	for _, name := range slices.Sorted(maps.Keys(optional)) {
		if raw, present := members[name]; present && json.Unmarshal(raw, optional[name]) != nil {
			d.Ignored = append(d.Ignored, fmt.Errorf("the metadata's %s cannot be read and counts as absent: %s", name, printable(string(raw))))
		}
	}
	return d, nil
}

// stringList is a list of strings, or one string.
type stringList []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *stringList) UnmarshalJSON(raw []byte) error {
	var list []string
	if err := json.Unmarshal(raw, &list); err == nil {
		*t = list
		return nil
	}
	var one string
	if err := json.Unmarshal(raw, &one); err != nil {
		return err
	}
	*t = stringList{one}
	return nil
}

// boolean is true or false, which some providers send as a string.
type boolean bool

// UnmarshalJSON implements json.Unmarshaler.
func (f *boolean) UnmarshalJSON(raw []byte) error {
	switch string(raw) {
	case "true", `"true"`:
		*f = true
	case "false", `"false"`, "null":
	default:
		return errors.New("neither true nor false")
	}
	return nil
}
