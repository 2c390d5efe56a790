# METADATA
# title: Office hours
# description: |
#   Staff may work from the office network, from 8:00 to 18:00 UTC on
#   weekdays. The denial says when the office is open.
package examples.office

import data.caddy.helpers

allow if {
	helpers.has_group("staff")
	helpers.in_network("10.0.0.0/8")
	open
}

deny contains {"code": "office_closed", "message": "The office is open from 8:00 to 18:00 UTC on weekdays."} if not open

decision := {"allow": true, "deny": deny} if allow

else := {"allow": false, "deny": deny}

open if {
	not time.weekday(input.request.time_ns) in {"Saturday", "Sunday"}
	hour := time.clock(input.request.time_ns)[0]
	hour >= 8
	hour < 18
}
