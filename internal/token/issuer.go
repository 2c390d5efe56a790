package token

import "strings"

// ExplainIssuer returns what to do about a received issuer that is likely meant for
// the expected one, to be added to an error; "" where nothing is likely.
func ExplainIssuer(expected, received string) string {
	switch {
	case strings.TrimSuffix(expected, "/") == strings.TrimSuffix(received, "/") && expected != received:
		return " (it differs by the slash at its end alone: configure the issuer to the letter as the provider writes it)"
	case strings.Contains(received, "{tenantid}"):
		return " (this is the template of many tenants: configure the issuer of your own tenant, with its id in place of common, organizations or {tenantid})"
	}
	return ""
}
