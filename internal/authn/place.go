package authn

import (
	"net/http"
	"strings"
)

// Place is where a request can hold a credential. Two methods that name the
// same place read the same credential. Places are comparable.
type Place struct {
	scheme string // lower-case scheme of Authorization, or ""
	header string // canonical name of a header of its own, or ""
}

// InScheme is the place of credentials in Authorization with the given scheme,
// such as Bearer; schemes are compared without regard to case (RFC 9110,
// section 11.1).
func InScheme(scheme string) Place { return Place{scheme: strings.ToLower(scheme)} }

// InHeader is the place of a credential that is a header's whole value.
func InHeader(name string) Place { return Place{header: http.CanonicalHeaderKey(name)} }

// Header returns the header that holds the credential, in canonical form; ""
// for the zero Place, which is nowhere.
func (p Place) Header() string {
	if p.scheme != "" {
		return "Authorization"
	}
	return p.header
}

// browserAttached reports whether browsers send a credential in this place
// unasked, once they have it (RFC 7617, section 2.2).
func (p Place) browserAttached() bool { return p.scheme == "basic" }
