package authenticator

// Reason is the exact cause of a denial, as logs and metrics show it. The set is
// closed. A client learns the status and a page that fits it, but not which part of a
// credential was wrong.
//
// A method rejects a credential with one of credentials_invalid, token_malformed,
// token_expired, token_not_yet_valid, token_signature, token_audience, token_issuer,
// token_type, token_revoked, token_unbound, proof_invalid, account_disabled,
// account_locked, session_expired, session_revoked, certificate_required and
// throttled. It is unavailable with keys_unavailable, store_unavailable or busy. The
// other reasons are those of policy_auth itself.
type Reason string

// The reasons. Policies add codes of their own beside ReasonPolicyDenied.
const (
	ReasonNone                 Reason = ""
	ReasonCredentialsMissing   Reason = "credentials_missing"
	ReasonCredentialsInvalid   Reason = "credentials_invalid"
	ReasonCredentialsAmbiguous Reason = "credentials_ambiguous"
	ReasonInsecureTransport    Reason = "insecure_transport"
	ReasonCookieDomain         Reason = "cookie_domain"
	ReasonTokenMalformed       Reason = "token_malformed"
	ReasonTokenExpired         Reason = "token_expired"
	ReasonTokenNotYetValid     Reason = "token_not_yet_valid"
	ReasonTokenSignature       Reason = "token_signature"
	ReasonTokenAudience        Reason = "token_audience"
	ReasonTokenIssuer          Reason = "token_issuer"
	ReasonTokenType            Reason = "token_type"
	ReasonTokenRevoked         Reason = "token_revoked"
	ReasonTokenUnbound         Reason = "token_unbound"
	ReasonProofInvalid         Reason = "proof_invalid"
	ReasonKeysUnavailable      Reason = "keys_unavailable"
	ReasonAccountDisabled      Reason = "account_disabled"
	ReasonAccountLocked        Reason = "account_locked"
	ReasonSessionExpired       Reason = "session_expired"
	ReasonSessionRevoked       Reason = "session_revoked"
	ReasonCertificateRequired  Reason = "certificate_required"
	ReasonLoginStateInvalid    Reason = "login_state_invalid"
	ReasonProviderDenied       Reason = "provider_denied"
	ReasonStepUpRequired       Reason = "step_up_required"
	ReasonInsufficientScope    Reason = "insufficient_scope"
	ReasonCrossSite            Reason = "cross_site"
	ReasonOriginRefused        Reason = "origin_refused"
	ReasonPathAmbiguous        Reason = "path_ambiguous"
	ReasonUpgradeRefused       Reason = "upgrade_refused"
	ReasonEarlyData            Reason = "early_data"
	ReasonMisdirected          Reason = "misdirected"
	ReasonBodyRefused          Reason = "body_refused"
	ReasonPolicyDenied         Reason = "policy_denied"
	ReasonPolicyUndefined      Reason = "policy_undefined"
	ReasonPolicyError          Reason = "policy_error"
	ReasonPolicyTimeout        Reason = "policy_timeout"
	ReasonPolicyUnavailable    Reason = "policy_unavailable"
	ReasonStoreUnavailable     Reason = "store_unavailable"
	ReasonThrottled            Reason = "throttled"
	ReasonAuthenticatorError   Reason = "authenticator_error"
	ReasonBusy                 Reason = "busy"
)

// Reasons returns all reasons but ReasonNone.
func Reasons() []Reason {
	return []Reason{
		ReasonCredentialsMissing, ReasonCredentialsInvalid, ReasonCredentialsAmbiguous, ReasonInsecureTransport,
		ReasonCookieDomain, ReasonTokenMalformed, ReasonTokenExpired, ReasonTokenNotYetValid, ReasonTokenSignature, ReasonTokenAudience,
		ReasonTokenIssuer, ReasonTokenType, ReasonTokenRevoked, ReasonTokenUnbound, ReasonProofInvalid,
		ReasonKeysUnavailable, ReasonAccountDisabled, ReasonAccountLocked, ReasonSessionExpired,
		ReasonSessionRevoked, ReasonCertificateRequired, ReasonLoginStateInvalid, ReasonProviderDenied, ReasonStepUpRequired,
		ReasonInsufficientScope, ReasonCrossSite, ReasonOriginRefused, ReasonPathAmbiguous, ReasonUpgradeRefused, ReasonEarlyData, ReasonMisdirected,
		ReasonBodyRefused, ReasonPolicyDenied, ReasonPolicyUndefined,
		ReasonPolicyError, ReasonPolicyTimeout, ReasonPolicyUnavailable, ReasonStoreUnavailable, ReasonThrottled, ReasonAuthenticatorError, ReasonBusy,
	}
}
