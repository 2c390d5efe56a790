package identity

// Challenge is one member of WWW-Authenticate (RFC 9110, section 11.3).
type Challenge struct {
	// Scheme is the authentication scheme, such as Basic or Bearer.
	Scheme string
	// Params are the auth-params, in the order to send. Names are lower-case
	// and occur once; values are plain text, quoted when they are written.
	Params []Param
}

// Param is an auth-param. Its Value is sent as a quoted-string.
type Param struct {
	Name, Value string
}

// Demand is what an authenticator is told when it is asked for the challenges
// of a refusal. The zero value asks for plain challenges without an error.
type Demand struct {
	// Method is the authenticator whose credential failed, or "".
	Method string
	// Verdict and Reason say how that credential failed.
	Verdict Verdict
	Reason  Reason
	// Scopes are all scopes that the operation needs (RFC 6750, section 3.1);
	// set together with ReasonInsufficientScope.
	Scopes []string
	// ACRValues and MaxAge ask for a stronger or fresher sign-in (RFC 9470,
	// section 3); set together with ReasonStepUpRequired. MaxAge is in seconds,
	// negative when not asked for.
	ACRValues []string
	MaxAge    int64
}
