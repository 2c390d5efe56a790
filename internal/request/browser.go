package request

import "net/http"

// IsServiceWorker reports whether a browser asks for the script of a service worker,
// which then answers for every page below it (Service Workers, section "Update").
// No script can leave the header out, or set it.
func IsServiceWorker(r *http.Request) bool { return len(r.Header["Service-Worker"]) > 0 }
