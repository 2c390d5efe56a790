// Package errorpages embeds the pages for denied requests unless a site has pages of its
// own: one page, and its words in several languages.
package errorpages

import "embed"

// FS holds page.html for refusals, signin.html for signing in and out, app_passwords.html,
// frame.html with what they share, and strings/<language>.json.
//
//go:embed app_passwords.html frame.html page.html signin.html strings
var FS embed.FS
