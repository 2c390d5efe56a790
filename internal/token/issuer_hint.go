package token

import "strings"

// IssuerHint returns advice for a received issuer that is probably meant to be the
// expected one, or "".
func IssuerHint(expected, received string) string {
	switch {
	case strings.TrimSuffix(expected, "/") == strings.TrimSuffix(received, "/") && expected != received:
		return "it differs by the slash at its end alone: configure the issuer to the letter as the provider writes it"
	case strings.Contains(received, "{tenantid}"):
		return "this is a template of many tenants: configure the issuer of your own tenant, with its id"
	}
	return ""
}

// ExplainIssuer returns IssuerHint in parentheses, for the end of an error, or "".
func ExplainIssuer(expected, received string) string {
	if hint := IssuerHint(expected, received); hint != "" {
		return " (" + hint + ")"
	}
	return ""
}
