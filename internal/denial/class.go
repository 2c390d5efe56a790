package denial

import (
	"net/http"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

// Class is what a refused person or program is told of a Reason: enough to know
// what to do next, and not which part of a credential was wrong.
type Class string

// The classes, which name the wording of a page and the type of a problem.
const (
	ClassSignInNeeded Class = "sign_in_needed"
	ClassSignInFailed Class = "sign_in_failed"
	ClassDeclined     Class = "provider_denied"
	ClassBadProvider  Class = "provider_failed"
	ClassStepUp       Class = "step_up"
	ClassExpired      Class = "expired"
	ClassForbidden    Class = "forbidden"
	ClassThrottled    Class = "throttled"
	ClassInsecure     Class = "insecure"
	ClassWrongHost    Class = "wrong_host"
	ClassBadRequest   Class = "bad_request"
	ClassTwo          Class = "two_credentials"
	ClassUpgrade      Class = "upgrade_refused"
	ClassTooEarly     Class = "too_early"
	ClassBadBody      Class = "bad_body"
	ClassTooLarge     Class = "too_large"
	ClassCrossSite    Class = "cross_site"
	ClassUnavailable  Class = "unavailable"
	ClassError        Class = "error"
	ClassNotFound     Class = "not_found"
)

// classes maps each reason to its class. A wrong password, an unknown user and
// a disabled account are one class, so that nobody can tell them apart (R-401-7).
var classes = map[identity.Reason]Class{
	identity.ReasonCredentialsMissing:   ClassSignInNeeded,
	identity.ReasonCertificateRequired:  ClassSignInNeeded,
	identity.ReasonStepUpRequired:       ClassStepUp,
	identity.ReasonCredentialsInvalid:   ClassSignInFailed,
	identity.ReasonTokenMalformed:       ClassSignInFailed,
	identity.ReasonTokenNotYetValid:     ClassSignInFailed,
	identity.ReasonTokenSignature:       ClassSignInFailed,
	identity.ReasonTokenAudience:        ClassSignInFailed,
	identity.ReasonTokenIssuer:          ClassSignInFailed,
	identity.ReasonTokenType:            ClassSignInFailed,
	identity.ReasonTokenRevoked:         ClassSignInFailed,
	identity.ReasonTokenUnbound:         ClassSignInFailed,
	identity.ReasonProofInvalid:         ClassSignInFailed,
	identity.ReasonAccountDisabled:      ClassSignInFailed,
	identity.ReasonAccountLocked:        ClassSignInFailed,
	identity.ReasonLoginStateInvalid:    ClassSignInFailed,
	identity.ReasonProviderDenied:       ClassDeclined,
	identity.ReasonTokenExpired:         ClassExpired,
	identity.ReasonSessionExpired:       ClassExpired,
	identity.ReasonSessionRevoked:       ClassExpired,
	identity.ReasonInsufficientScope:    ClassForbidden,
	identity.ReasonPolicyDenied:         ClassForbidden,
	identity.ReasonPolicyUndefined:      ClassForbidden,
	identity.ReasonThrottled:            ClassThrottled,
	identity.ReasonInsecureTransport:    ClassInsecure,
	identity.ReasonCookieDomain:         ClassWrongHost,
	identity.ReasonCredentialsAmbiguous: ClassTwo,
	identity.ReasonPathAmbiguous:        ClassBadRequest,
	identity.ReasonUpgradeRefused:       ClassUpgrade,
	identity.ReasonEarlyData:            ClassTooEarly,
	identity.ReasonBodyRefused:          ClassBadBody,
	identity.ReasonCrossSite:            ClassCrossSite,
	identity.ReasonOriginRefused:        ClassCrossSite,
	identity.ReasonKeysUnavailable:      ClassUnavailable,
	identity.ReasonStoreUnavailable:     ClassUnavailable,
	identity.ReasonPolicyUnavailable:    ClassUnavailable,
	identity.ReasonBusy:                 ClassUnavailable,
	identity.ReasonPolicyError:          ClassError,
	identity.ReasonPolicyTimeout:        ClassError,
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

// ofSignIn are the reasons that with the status 400 speak of what a browser brought
// back from a provider, not of the request.
var ofSignIn = map[identity.Reason]bool{identity.ReasonTokenIssuer: true, identity.ReasonLoginStateInvalid: true}

// classOf returns the class of a refusal. A status that a policy chose, and one
// that the reason alone does not tell, win over the reason.
func classOf(reason identity.Reason, status int) Class {
	if status == http.StatusBadRequest && ofSignIn[reason] {
		return ClassBadProvider
	}
	if class, ok := statusClasses[status]; ok && (class != ClassBadRequest || reason != identity.ReasonBodyRefused && reason != identity.ReasonCredentialsAmbiguous) {
		return class
	}
	class, known := classes[reason]
	if !known || class == ClassSignInNeeded && status == http.StatusForbidden {
		class = ClassForbidden // there is no way to sign in
	}
	if status >= http.StatusInternalServerError && (class == ClassSignInFailed || class == ClassExpired || class == ClassDeclined) {
		return ClassBadProvider // not of what the user typed or chose, but between us and a provider
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
