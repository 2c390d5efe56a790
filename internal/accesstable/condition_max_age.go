package accesstable

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// maxAge is a condition on how long ago the caller signed in, in seconds (RFC 9470,
// section 4). If the issuer does not tell the time, it holds under deny alone (section 6).
type maxAge int64

func (m maxAge) holds(q *Question, under polarity) bool {
	if !q.Identity.Authenticated {
		return false
	}
	age, known := signInAge(q.Document)
	if !known {
		return under == deny
	}
	return age <= int64(m)
}

// has returns how long ago the caller signed in.
func (maxAge) has(q *Question) any {
	age, known := signInAge(q.Document)
	if !known {
		return "an unknown time since the sign-in"
	}
	return (time.Duration(age) * time.Second).String()
}

// maxSkew is how far in the future a sign-in may be, in seconds: clocks differ. It is the
// default leeway of tokens.
const maxSkew = 60

// signInAge returns how many seconds ago the caller of a request signed in. It is not
// known if the issuer did not tell, or told a time that is further in the future than
// clocks differ.
func signInAge(d *request.Document) (seconds int64, known bool) {
	now, at := d.Request.TimeNS/int64(time.Second), d.Identity.AuthTime
	if at <= 0 || at > now+maxSkew {
		return 0, false
	}
	return now - at, true
}

// ReadsTime reports whether the table has max_age conditions, so that what it decides
// about a request depends on the time.
func (t *Table) ReadsTime() bool { return len(t.maxAges) > 0 }

// AgeStep returns a number that is the same for two requests by one caller if the same
// max_age conditions of the table hold for both: two requests that differ in time alone
// are judged alike if it is equal. A cache that has it in its keys needs no time.
func (t *Table) AgeStep(d *request.Document) int {
	age, known := signInAge(d)
	if !known {
		return -1
	}
	step, _ := slices.BinarySearch(t.maxAges, age)
	return step
}

// The limits of max_age.
const (
	minMaxAge = time.Second
	maxMaxAge = 400 * 24 * time.Hour
)

// maxAge takes how long ago the caller may have signed in.
func (p *parser) maxAge(node *yaml.Node) maxAge {
	seconds, err := parseAge(node)
	if err != nil {
		p.problem(node, "max_age: %v", err)
		return 0
	}
	if at, found := slices.BinarySearch(p.maxAges, seconds); !found {
		p.maxAges = slices.Insert(p.maxAges, at, seconds)
	}
	return maxAge(seconds)
}

// ageForm is how max_age is written.
var ageForm = regexp.MustCompile(`^(?:([0-9]{1,3})d)?((?:[0-9]{1,9}h)?(?:[0-9]{1,9}m)?(?:[0-9]{1,9}s)?)$`)

var errAge = errors.New("want a duration in whole seconds from 1s to 400d, such as 15m, 1h30m or 7d")

// parseAge returns the whole seconds of a duration.
func parseAge(node *yaml.Node) (int64, error) {
	parts := ageForm.FindStringSubmatch(node.Value)
	if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!str" || parts == nil {
		return 0, errAge
	}
	days, _ := strconv.ParseInt(parts[1], 10, 32) // "" is 0
	rest, err := time.ParseDuration("0h" + parts[2])
	total := time.Duration(days)*24*time.Hour + rest
	if err != nil || total < minMaxAge || total > maxMaxAge {
		return 0, errAge
	}
	return int64(total / time.Second), nil
}
