package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/pool"
	"github.com/policyauth/caddy-policy-auth/internal/textutil"
)

// ErrorPages configures the responses to denied requests.
type ErrorPages struct {
	// "pages" writes a page, a problem document or a line of text, depending on what
	// the client accepts. "delegate" sets status and headers and leaves the body to
	// the site's error routes. "bare" sends no body. Default: pages.
	Mode string `json:"mode,omitempty"`
	// A directory of templates (<status>.html, 4xx.html, 5xx.html, error.html);
	// watched. Default: the built-in page.
	Dir string `json:"dir,omitempty"`
	// The name, logo, color and links of the site on its pages. Default: none.
	Brand pages.Brand `json:"brand,omitzero"`
}

// pageModes are the values of ErrorPages.Mode.
var pageModes = []string{"pages", "delegate", "bare"}

// Parse parses
//
//	error_pages [<dir>|delegate|bare] {
//	    brand {
//	        name <text>
//	        logo <url>
//	        color <color>
//	        support_url <url>
//	        request_access_url <url>
//	        home_url <url>
//	    }
//	}
func (e *ErrorPages) Parse(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		switch value := d.Val(); value {
		case "delegate", "bare":
			e.Mode = value
		default:
			e.Dir = value
		}
	}
	if d.NextArg() {
		return d.Errf("error_pages takes one argument, a directory, delegate or bare, and no further %q", d.Val())
	}
	return caddyfileutil.Block(d, "error_pages", caddyfileutil.Subdirectives{"brand": e.parseBrand})
}

func (e *ErrorPages) parseBrand(d *caddyfile.Dispenser) error {
	if err := caddyfileutil.NoArgs(d, "brand", `name "Example Ltd"`); err != nil {
		return err
	}
	b := &e.Brand
	return caddyfileutil.ValidatedBlock(d, "brand", caddyfileutil.Subdirectives{
		"name":               caddyfileutil.String(&b.Name),
		"logo":               caddyfileutil.String(&b.Logo),
		"color":              parseColor(&b.Color),
		"support_url":        caddyfileutil.String(&b.SupportURL),
		"request_access_url": caddyfileutil.String(&b.RequestAccessURL),
		"home_url":           caddyfileutil.String(&b.HomeURL),
	}, func() error { return b.Validate() }) // of what the block has set
}

// parseColor takes a color, which begins a comment unless it is quoted.
func parseColor(color *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		if !d.NextArg() {
			return d.Err(`color has no color: quote it, as in color "#3366cc", since # begins a comment`)
		}
		d.Prev()
		return caddyfileutil.String(color)(d)
	}
}

// Delegate reports whether the site's error routes write the body.
func (e *ErrorPages) Delegate() bool { return e != nil && e.Mode == "delegate" }

// shared holds the pages in use: sites with the same ones share them.
var shared = pool.New[*pages.Pages]()

// Open loads the pages, which are shared with other sites until they are released.
// Later errors of a directory go to the report of its first opener.
func (e *ErrorPages) Open(report func(error)) (_ *pages.Pages, release func(), err error) {
	var config pages.Config
	if e != nil {
		config = pages.Config{Dir: e.Dir, Brand: e.Brand, Bare: e.Mode == "bare"}
		if e.Mode != "" && !slices.Contains(pageModes, e.Mode) {
			return nil, nil, fmt.Errorf("error_pages: mode is one of %v, not %q", pageModes, e.Mode)
		}
	}
	opened, release, err := shared.Acquire(config, func() (*pages.Pages, error) { return pages.New(config, report) })
	if near := textutil.Nearest(config.Dir, pageModes[1:]); errors.Is(err, fs.ErrNotExist) && near != "" {
		return nil, nil, fmt.Errorf("error_pages: %w; did you mean %s?", err, near)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("error_pages: %w", err)
	}
	return opened, release, nil
}

// Validate reports settings that contradict each other.
func (e *ErrorPages) Validate() error {
	if e == nil || e.Dir == "" || e.Mode == "" || e.Mode == "pages" {
		return nil
	}
	return errors.New("error_pages: a directory of pages is of no use with " + e.Mode)
}
