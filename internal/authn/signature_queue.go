package authn

import (
	"runtime"

	"github.com/policyauth/caddy-policy-auth/internal/fairqueue"
	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// signaturesWaiting is how many tokens may wait for their signature to be checked, which
// takes microseconds. One more denies the latest one of the network that has the most.
const signaturesWaiting = 4096

// The queues bound expensive checks to one for each processor at a time. All sites
// of the process share them.
var (
	signatures = fairqueue.New(runtime.GOMAXPROCS(0), signaturesWaiting, 0)
	hashing    = users.NewQueue()
)
