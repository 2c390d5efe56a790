package forward

import (
	"net/http"
	"slices"

	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// stripCertificates removes the headers in which trusted proxies forward the client's
// certificate from the request of any other peer (R-MT-3), and other spellings of them
// from every request.
func (f *Forwarder) stripCertificates(r *http.Request, ex *exchange.Exchange) {
	if len(f.CertificateHeaders) == 0 || !ex.Request.HeaderKinds().Has(request.ConfiguredHeader) {
		return
	}
	for name := range r.Header {
		spelled := func(folded string) bool { return request.SameHeaderName(name, folded) }
		if slices.ContainsFunc(f.foldedCertificates, spelled) && !(ex.Request.TrustedProxy() && slices.Contains(f.CertificateHeaders, name)) {
			delete(r.Header, name)
		}
	}
}
