package examples.office_test

import data.caddy.testing
import data.examples.office

monday_noon := 1700481600000000000

staff := object.union(testing.user("alice", []), {"groups": ["staff"]})

at(time_ns, ip) := object.union(
	testing.input_of(testing.request("GET", "/"), staff),
	{"request": {"time_ns": time_ns}, "client": {"ip": ip}},
)

test_office if {
	office.decision.allow with input as at(monday_noon, "10.1.2.3")
	not office.decision.allow with input as at(monday_noon, "192.0.2.1")
	evening := monday_noon + ((7 * 3600) * 1000000000)
	d := office.decision with input as at(evening, "10.1.2.3")
	d.allow == false
	{x.code | some x in d.deny} == {"office_closed"}
}
