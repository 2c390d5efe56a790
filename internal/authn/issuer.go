package authn

import (
	"fmt"
	"strings"
)

// checkIssuer returns an error for the URL of an issuer's discovery document, which is
// often confused with the issuer.
func checkIssuer(issuer string) error {
	before, after, found := strings.Cut(issuer, "/.well-known/")
	if !found {
		return nil
	}
	_, path, _ := strings.Cut(after, "/") // RFC 8414, section 3.1, puts the issuer's path behind
	if path != "" {
		before += "/" + path
	}
	return fmt.Errorf("%s is the address of a discovery document; the issuer is most likely %s, as its field issuer says", issuer, before)
}
