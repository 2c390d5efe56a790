package authenticator

// Cause is a more exact cause than a Reason, for the log alone: answers, metrics,
// placeholders and policies have the Reason, which is the same for all causes.
type Cause string

// The causes of ReasonCredentialsInvalid where callers have a name and a password.
const (
	// CauseUserUnknown: there is no user of that name. The name itself is not
	// logged, since people type passwords there.
	CauseUserUnknown Cause = "user_unknown"
	// CausePasswordWrong: there is such a user, disabled or not.
	CausePasswordWrong Cause = "password_wrong"
)
