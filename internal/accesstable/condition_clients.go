package accesstable

// clients is a condition on the OAuth client to which the caller's token was issued: its
// client_id (RFC 9068, section 2.2) or azp (OpenID Connect Core, section 2), which may be
// the URL of a client metadata document.
type clients words

func (w clients) holds(q *Question, under polarity) bool {
	if under == deny && q.unknown("claims") {
		return true
	}
	id, known := q.clientID()
	if !known {
		return under == deny
	}
	return q.Identity.Authenticated && words(w).has(id)
}

func (clients) has(q *Question) any {
	id, known := q.clientID()
	if !known {
		return "a token whose client_id and azp are not one text"
	}
	return id
}

// clientClaims are the claims that name the client of a token.
var clientClaims = [2]string{"client_id", "azp"}

// clientID returns the client of the caller's token, or "" if it names none. It is unknown
// if the claims differ or one of them is not a string; null is absent.
func (q *Question) clientID() (id string, known bool) {
	found := false
	for _, name := range clientClaims {
		value := q.Identity.Claims[name]
		if value == nil {
			continue
		}
		text, isText := value.(string)
		if !isText || found && text != id {
			return "", false
		}
		id, found = text, true
	}
	return id, true
}
