package accesstable

import (
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// signedIn is asked by a caller who signed in some seconds before now.
func signedIn(ago int64, change func(*authenticator.Identity)) *Question {
	const now = 1_800_000_000
	id := &authenticator.Identity{Authenticated: true, ID: "alice", Issuer: "https://id.example.com", Method: "jwt", AuthTime: now - ago}
	if change != nil {
		change(id)
	}
	d := &request.Document{Identity: id.Normalize()}
	d.Request.Method, d.Request.Path, d.Request.PathFolded, d.Request.RewrittenPath = "GET", "/", "/", "/"
	d.Request.TimeNS = now*int64(time.Second) + 999_999_999
	return &Question{Document: d}
}

// tableFor returns a table whose default is some alternatives.
func tableFor(t testing.TB, alternatives string) *Table {
	t.Helper()
	table, _, err := Parse([]File{{"access.yaml", []byte("default: " + alternatives + "\n")}})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// TestMaxAge: R-SU-3. A sign-in holds up to the last second of max_age, and an unknown
// time never. Under deny (S-10), what is unknown holds.
func TestMaxAge(t *testing.T) {
	const quarter = maxAge(900)
	for name, test := range map[string]struct {
		q               *Question
		allowed, denied bool
	}{
		"just now":            {signedIn(0, nil), true, true},
		"at the end":          {signedIn(900, nil), true, true},
		"one second too late": {signedIn(901, nil), false, false},
		"a clock ahead":       {signedIn(-60, nil), true, true},
		"in the future":       {signedIn(-61, nil), false, true},
		"absent":              {signedIn(0, func(i *authenticator.Identity) { i.AuthTime = 0 }), false, true},
		"of a foreign form":   {signedIn(0, func(i *authenticator.Identity) { i.AuthTime, i.Unknown = 0, []string{"auth_time"} }), false, true},
		"before 1970":         {signedIn(0, func(i *authenticator.Identity) { i.AuthTime = -5 }), false, true},
		"at the end of time":  {signedIn(0, func(i *authenticator.Identity) { i.AuthTime = 1<<63 - 1 }), false, true},
		"anonymous":           {signedIn(0, func(i *authenticator.Identity) { i.Authenticated = false }), false, false},
	} {
		if allowed, denied := quarter.holds(test.q, allow), quarter.holds(test.q, deny); allowed != test.allowed || denied != test.denied {
			t.Errorf("%s: %v under allow, %v under deny", name, allowed, denied)
		}
	}
}

// TestAgeStep: the step changes with each condition of the table that begins or ceases to
// hold, and with nothing else.
func TestAgeStep(t *testing.T) {
	table := tableFor(t, "[{max_age: 15m}, {max_age: 1m}, {max_age: 15m, roles: [a]}, {max_age: 1h}]")
	if !table.ReadsTime() || tableFor(t, "[{roles: [a]}]").ReadsTime() {
		t.Error("ReadsTime")
	}
	for ago, want := range map[int64]int{-61: -1, -60: 0, 0: 0, 60: 0, 61: 1, 900: 1, 901: 2, 3600: 2, 3601: 3, 1 << 30: 3} {
		if got := table.AgeStep(signedIn(ago, nil).Document); got != want {
			t.Errorf("%d seconds ago: %d, not %d", ago, got, want)
		}
	}
}

// TestParseMaxAge: what max_age may be, and that everything else is a mistake that says
// what to write.
func TestParseMaxAge(t *testing.T) {
	for text, want := range map[string]int64{"1s": 1, "15m": 900, "1h30m": 5400, "90s": 90, "7d": 604_800, "1d12h": 129_600, "400d": 34_560_000, "0h1s": 1, "'15m'": 900} {
		if table := tableFor(t, "[{max_age: "+text+"}]"); len(table.maxAges) != 1 || table.maxAges[0] != want {
			t.Errorf("%s: %v", text, table.maxAges)
		}
	}
	for _, text := range []string{"0s", "''", "15", "900", "-15m", "+15m", "1.5h", "500ms", "15 m", "15M", "401d", "999d", "999999999h", "99999d", "9601h", "m", "true", "[15m]", "{m: 15}", "~"} {
		_, _, err := Parse([]File{{"access.yaml", []byte("default: [{max_age: " + text + "}]\n")}})
		if err == nil || !strings.Contains(err.Error(), "access.yaml:1:21: max_age: want a duration in whole seconds from 1s to 400d, such as 15m") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestExplainMaxAge: an explanation says how old the sign-in is.
func TestExplainMaxAge(t *testing.T) {
	table := tableFor(t, "[{max_age: 15m}]")
	for want, q := range map[string]*Question{
		"16m40s": signedIn(1000, nil), "an unknown time since the sign-in": signedIn(0, func(i *authenticator.Identity) { i.AuthTime = 0 }),
	} {
		c := table.Explain(q).Rules[0].Alternatives[0].Conditions[0]
		if c.Holds || c.Has != want || c.Wanted != "15m" || c.Name != "max_age" {
			t.Errorf("%+v", c)
		}
	}
}
