package pages

import (
	"net/http"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/respheader"
)

const (
	// modeHeader says how a browser uses the answer (Fetch Metadata, section
	// 2.2). Browsers set it; no script can.
	modeHeader = "Sec-Fetch-Mode"
	// scriptHeader is what script libraries add to their requests, and all that
	// tells them apart where a browser sends no Sec-Fetch-Mode.
	scriptHeader = "X-Requested-With"
)

// IsNavigation reports whether a browser shows the answer to a request to a
// person. The browser says so itself; without Sec-Fetch-Mode, it is a GET or
// HEAD that asks for HTML by name and that no script sends.
func IsNavigation(r *http.Request) bool {
	if mode := r.Header[modeHeader]; len(mode) > 0 {
		return isNavigateMode(mode)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead || isScripted(r.Header) {
		return false
	}
	return asksForHTML(r.Header)
}

// IsScript reports whether a script or a part of a page sends the request, such
// as fetch, XMLHttpRequest, EventSource or WebSocket.
func IsScript(r *http.Request) bool {
	if mode := r.Header[modeHeader]; len(mode) > 0 {
		return !isNavigateMode(mode)
	}
	return isScripted(r.Header)
}

// FromBrowser reports whether a browser sends the request: for a page, or by a script of
// one. A browser that says nothing of either still names itself in User-Agent.
func FromBrowser(r *http.Request) bool {
	return len(r.Header[modeHeader]) > 0 || IsNavigation(r) || isScripted(r.Header) || strings.HasPrefix(r.Header.Get("User-Agent"), "Mozilla/")
}

func isNavigateMode(mode []string) bool { return len(mode) == 1 && mode[0] == "navigate" }

// isScripted reports whether X-Requested-With names a script library. Android's
// WebView puts the name of its app there, such as com.example.app, also in
// navigations.
func isScripted(h http.Header) bool {
	lines := h[scriptHeader]
	return len(lines) > 0 && !slices.ContainsFunc(lines, func(line string) bool { return line == "" || strings.Contains(line, ".") })
}

// dialogSchemes are the schemes for which browsers open a password dialog of
// their own, also over a page whose script asked.
var dialogSchemes = []string{"Basic", "Digest", "Negotiate", "NTLM"}

// opensDialog reports whether browsers answer a challenge with a dialog.
func opensDialog(c authenticator.Challenge) bool {
	return slices.ContainsFunc(dialogSchemes, func(scheme string) bool { return strings.EqualFold(scheme, c.Scheme) })
}

// challengesForScripts returns the challenges for a page's script: those that open no
// dialog over it, or all if nothing else says how to authenticate.
func (d Denial) challengesForScripts() []authenticator.Challenge {
	others := slices.DeleteFunc(slices.Clone(d.Challenges), opensDialog)
	if len(others) == 0 && d.LoginURL == "" {
		return d.Challenges
	}
	return others
}

// varyByMode says that navigations get another answer than scripts.
func varyByMode(h http.Header) {
	respheader.AddVary(h, modeHeader)
	respheader.AddVary(h, scriptHeader)
}
