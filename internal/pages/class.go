package pages

import (
	"net/http"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Class is the part of a Reason that clients see: enough to know what to do next, but not
// which part of a credential was wrong.
type Class string

// The classes, which name the wording of a page and the type of a problem.
const (
	ClassSignInNeeded   Class = "sign_in_needed"
	ClassCertificate    Class = "certificate_needed"
	ClassSignInFailed   Class = "sign_in_failed"
	ClassProviderDenied Class = "provider_denied"
	ClassProviderFailed Class = "provider_failed"
	ClassStepUp         Class = "step_up"
	ClassExpired        Class = "expired"
	ClassForbidden      Class = "forbidden"
	ClassThrottled      Class = "throttled"
	ClassInsecure       Class = "insecure"
	ClassWrongHost      Class = "wrong_host"
	ClassBadRequest     Class = "bad_request"
	ClassTwoCredentials Class = "two_credentials"
	ClassUpgrade        Class = "upgrade_refused"
	ClassTooEarly       Class = "too_early"
	ClassMisdirected    Class = "misdirected"
	ClassBadBody        Class = "bad_body"
	ClassTooLarge       Class = "too_large"
	ClassCrossSite      Class = "cross_site"
	ClassUnavailable    Class = "unavailable"
	ClassError          Class = "error"
	ClassNotFound       Class = "not_found"
)

// classes maps each reason to its class. A wrong password, an unknown user and
// a disabled account are one class, so that clients cannot tell them apart (R-401-7).
var classes = map[authenticator.Reason]Class{
	authenticator.ReasonCredentialsMissing:   ClassSignInNeeded,
	authenticator.ReasonCertificateRequired:  ClassCertificate,
	authenticator.ReasonStepUpRequired:       ClassStepUp,
	authenticator.ReasonCredentialsInvalid:   ClassSignInFailed,
	authenticator.ReasonTokenMalformed:       ClassSignInFailed,
	authenticator.ReasonTokenNotYetValid:     ClassSignInFailed,
	authenticator.ReasonTokenSignature:       ClassSignInFailed,
	authenticator.ReasonTokenAudience:        ClassSignInFailed,
	authenticator.ReasonTokenIssuer:          ClassSignInFailed,
	authenticator.ReasonTokenType:            ClassSignInFailed,
	authenticator.ReasonTokenRevoked:         ClassSignInFailed,
	authenticator.ReasonTokenUnbound:         ClassSignInFailed,
	authenticator.ReasonProofInvalid:         ClassSignInFailed,
	authenticator.ReasonAccountDisabled:      ClassSignInFailed,
	authenticator.ReasonAccountLocked:        ClassSignInFailed,
	authenticator.ReasonLoginStateInvalid:    ClassSignInFailed,
	authenticator.ReasonProviderDenied:       ClassProviderDenied,
	authenticator.ReasonTokenExpired:         ClassExpired,
	authenticator.ReasonSessionExpired:       ClassExpired,
	authenticator.ReasonSessionRevoked:       ClassExpired,
	authenticator.ReasonInsufficientScope:    ClassForbidden,
	authenticator.ReasonPolicyDenied:         ClassForbidden,
	authenticator.ReasonPolicyUndefined:      ClassForbidden,
	authenticator.ReasonThrottled:            ClassThrottled,
	authenticator.ReasonInsecureTransport:    ClassInsecure,
	authenticator.ReasonCookieDomain:         ClassWrongHost,
	authenticator.ReasonCredentialsAmbiguous: ClassTwoCredentials,
	authenticator.ReasonPathAmbiguous:        ClassBadRequest,
	authenticator.ReasonUpgradeRefused:       ClassUpgrade,
	authenticator.ReasonEarlyData:            ClassTooEarly,
	authenticator.ReasonMisdirected:          ClassMisdirected,
	authenticator.ReasonBodyRefused:          ClassBadBody,
	authenticator.ReasonCrossSite:            ClassCrossSite,
	authenticator.ReasonOriginRefused:        ClassCrossSite,
	authenticator.ReasonKeysUnavailable:      ClassUnavailable,
	authenticator.ReasonStoreUnavailable:     ClassUnavailable,
	authenticator.ReasonPolicyUnavailable:    ClassUnavailable,
	authenticator.ReasonBusy:                 ClassUnavailable,
	authenticator.ReasonAuthenticatorError:   ClassError,
	authenticator.ReasonPolicyError:          ClassError,
	authenticator.ReasonPolicyTimeout:        ClassError,
}

// statusClasses are the classes that a status tells whatever the reason is.
var statusClasses = map[int]Class{
	http.StatusBadRequest:            ClassBadRequest,
	http.StatusMethodNotAllowed:      ClassBadRequest,
	http.StatusNotFound:              ClassNotFound,
	http.StatusGone:                  ClassNotFound,
	http.StatusRequestEntityTooLarge: ClassTooLarge,
	http.StatusUnsupportedMediaType:  ClassBadBody,
	http.StatusTooManyRequests:       ClassThrottled,
}

// fromProvider are the reasons that with the status 400 speak of what a browser brought
// back from a provider, not of the request.
var fromProvider = map[authenticator.Reason]bool{authenticator.ReasonTokenIssuer: true, authenticator.ReasonLoginStateInvalid: true}

// classOf returns the class of a refusal. A status that a policy chose, and one
// that the reason alone does not tell, win over the reason.
func classOf(reason authenticator.Reason, status int) Class {
	if status == http.StatusBadRequest && fromProvider[reason] {
		return ClassProviderFailed
	}
	if class, ok := statusClasses[status]; ok && (class != ClassBadRequest || reason != authenticator.ReasonBodyRefused && reason != authenticator.ReasonCredentialsAmbiguous) {
		return class
	}
	class, known := classes[reason]
	if !known || class == ClassSignInNeeded && status == http.StatusForbidden {
		class = ClassForbidden // there is no way to sign in
	}
	if status >= http.StatusInternalServerError && (class == ClassSignInFailed || class == ClassExpired || class == ClassProviderDenied) {
		return ClassProviderFailed // not of what the user typed or chose, but between us and a provider
	}
	if class != ClassForbidden {
		return class
	}
	switch {
	case status == http.StatusUnauthorized:
		return ClassSignInNeeded
	case status == http.StatusServiceUnavailable:
		return ClassUnavailable
	case status >= http.StatusInternalServerError:
		return ClassError
	}
	return ClassForbidden
}
