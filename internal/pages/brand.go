package pages

import (
	"fmt"
	"html/template"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Brand is the name, logo and links of the site on its pages. Each field may be empty.
type Brand struct {
	// Name is shown above the message.
	Name string `json:"name,omitempty"`
	// Logo is a path on this site, or a data: URL of an image.
	Logo string `json:"logo,omitempty"`
	// Color is #rgb or #rrggbb.
	Color string `json:"color,omitempty"`
	// SupportURL, RequestAccessURL and HomeURL are https, http or mailto URLs, or
	// paths on this site.
	SupportURL       string `json:"support_url,omitempty"`
	RequestAccessURL string `json:"request_access_url,omitempty"`
	HomeURL          string `json:"home_url,omitempty"`
}

var (
	colorPattern = regexp.MustCompile(`^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$`)
	imagePattern = regexp.MustCompile(`^data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=]+$`)
)

// defaultColor is readable on light and dark ground alike.
const defaultColor = "#3f6fd8"

// Validate reports a field that a page could not show, or that would be a
// danger in one (T-39).
func (b Brand) Validate() error {
	if b.Color != "" && !colorPattern.MatchString(b.Color) {
		return fmt.Errorf("color: %q is not a color such as #36c or #3366cc", b.Color)
	}
	if b.Logo != "" && !imagePattern.MatchString(b.Logo) && !isSitePath(b.Logo) {
		return fmt.Errorf("logo: %q is neither a path on this site, such as /logo.svg, nor a data:image/…;base64 URL", b.Logo)
	}
	links := [][2]string{{"support_url", b.SupportURL}, {"request_access_url", b.RequestAccessURL}, {"home_url", b.HomeURL}}
	for _, link := range links {
		if link[1] != "" && !isLink(link[1]) {
			return fmt.Errorf("%s: %q is neither an https, http or mailto URL nor a path on this site%s", link[0], link[1], mailto(link[1]))
		}
	}
	return nil
}

// mailto suggests the URL of what looks like an e-mail address, or returns "".
func mailto(text string) string {
	if name, host, found := strings.Cut(text, "@"); !found || name == "" || host == "" || !isLink("mailto:"+text) || strings.ContainsAny(text, ":/ ") {
		return ""
	}
	return "; write mailto:" + text
}

// isSitePath reports whether every browser takes s for a path on this site.
func isSitePath(s string) bool {
	u, ok := parseURL(s)
	return ok && u.Scheme == "" && u.Host == "" && strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//")
}

func isLink(s string) bool {
	u, ok := parseURL(s)
	if !ok || isSitePath(s) {
		return ok
	}
	return slices.Contains([]string{"https", "http"}, u.Scheme) && u.Host != "" || u.Scheme == "mailto" && u.Opaque != ""
}

// parseURL reads a URL that holds nothing that has no place in one (RFC 3986,
// appendix A), where readers differ.
func parseURL(s string) (*url.URL, bool) {
	u, err := url.Parse(s)
	return u, err == nil && !strings.ContainsAny(s, " <>\"`\\^{|}")
}

// brandView is a Brand whose values have been checked for where they stand.
type brandView struct {
	Name                                        string
	Logo, SupportURL, RequestAccessURL, HomeURL template.URL
	Color                                       template.CSS
}

func (b Brand) view() brandView {
	color := b.Color
	if color == "" {
		color = defaultColor
	}
	return brandView{
		Name: b.Name, Logo: template.URL(b.Logo), SupportURL: template.URL(b.SupportURL), //nolint:gosec // the configuration checks them
		RequestAccessURL: template.URL(b.RequestAccessURL), HomeURL: template.URL(b.HomeURL), Color: template.CSS(color), //nolint:gosec // likewise
	}
}
