package respheader

import (
	"net/http"
	"slices"
)

// ofBody are the headers that describe a body.
var ofBody = []string{
	"Accept-Ranges", "Content-Digest", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length", "Content-Location",
	"Content-Md5", "Content-Range", "Content-Type", "Digest", "Etag", "Last-Modified", "Repr-Digest", "Trailer", "Transfer-Encoding",
}

// WithholdBody sends the response without its body and without the headers that describe
// it, for requests that no policy has judged (S-07).
func (r *HeaderWriter) WithholdBody() { r.bodiless = true }

// removeBody removes the headers that describe a body.
func removeBody(h http.Header) {
	for name := range h {
		if slices.Contains(ofBody, http.CanonicalHeaderKey(name)) {
			delete(h, name)
		}
	}
}
