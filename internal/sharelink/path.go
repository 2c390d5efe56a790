package sharelink

import (
	"fmt"
	"net/url"
	"strings"
)

// Path is a path of a link, decoded: /a/b exactly, or /a/b/* with everything below it. Like
// in an access table, whole segments match, and a slash at the end makes no difference;
// unlike there, upper and lower case differ, because a link must not open more than it
// names.
type Path string

// ParsePath returns the path of a URL. It fails for one that has no single reading, which
// no request would match.
func ParsePath(u *url.URL) (Path, error) {
	path := u.Path
	if path == "" {
		path = "/"
	}
	key, below := strings.CutSuffix(path, "/*")
	switch {
	case !strings.HasPrefix(path, "/"), strings.ContainsAny(key, "*?#%\\;"), strings.Contains(path, "//"), hasControls(path):
		return "", fmt.Errorf("%.100q is not a path for a link: want /exactly/this or /this/and/below/*, without * elsewhere and without // ? # %% ; and backslashes, also encoded", path)
	case strings.Contains(strings.ToLower(u.EscapedPath()), "%2f"), strings.Contains(strings.ToLower(u.EscapedPath()), "%2a"):
		return "", fmt.Errorf("%.100q has an encoded slash or *; a link is for a path of whole segments, and for what is below it with /*", u.EscapedPath())
	case len(path) > maxPath:
		return "", fmt.Errorf("a path has at most %d bytes, not %d", maxPath, len(path))
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "." || segment == ".." {
			return "", fmt.Errorf("%.100q has dot segments: write the path to which it leads", path)
		}
	}
	if key = strings.TrimSuffix(key, "/"); below {
		return Path(key + "/*"), nil
	}
	return Path(path), nil
}

func hasControls(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' })
}

// matches reports whether a decoded path is this one or below it.
func (p Path) matches(path string) bool {
	if key, below := strings.CutSuffix(string(p), "/*"); below {
		return path == key || strings.HasPrefix(path, key+"/")
	}
	return strings.TrimSuffix(path, "/") == strings.TrimSuffix(string(p), "/")
}

// start returns the escaped path at which guests begin.
func (p Path) start() string {
	return (&url.URL{Path: strings.TrimSuffix(string(p), "*")}).EscapedPath()
}
