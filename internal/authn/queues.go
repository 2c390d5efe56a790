package authn

import (
	"runtime"

	"github.com/policyauth/caddy-policy-auth/internal/fairqueue"
	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// signaturesWaiting is how many tokens wait for their signature to be checked,
// which takes some microseconds; one more refuses the last one of the network
// with the most.
const signaturesWaiting = 4096

// What is expensive to check is checked once for each processor at a time, for
// all sites of the process together.
var (
	signatures = fairqueue.New(runtime.GOMAXPROCS(0), signaturesWaiting, 0)
	hashing    = users.NewQueue()
)
