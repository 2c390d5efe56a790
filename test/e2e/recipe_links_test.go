//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/sharelink"
)

// TestE2ERecipePhotoAlbum runs docs/recipes/photo-album.md: a guest sees the album of a link and
// nothing else, and the access log does not have the token.
func TestE2ERecipePhotoAlbum(t *testing.T) {
	photos := newEnv(t)
	r := newRecipe(t, "photo-album", "/srv/photos", photos.Dir)
	users, err := os.ReadFile(filepath.Join(photos.Dir, "users.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r.env.Write("users.yaml", string(users))
	photos.Write("albums/2026-summer/a.txt", "summer")
	photos.Write("albums/2025-winter/b.txt", "winter")
	r.serve()
	const site = "https://photos.example.com"
	link, token := addLink(t, r.Dir, strings.TrimPrefix(r.server.admin, "http://"), site+"/albums/2026-summer/*", "--until", "7d", "--name", "Summer 2026")
	guest := r.from(t, outside)
	status := func(method, path string, header ...string) int {
		got, _, _ := guest.ask(method, site+path, header...)
		return got
	}
	if got := status("GET", "/albums/2026-summer/a.txt", page...); got != 303 {
		t.Errorf("before the link: %d", got)
	}
	if _, _, body := guest.ask("GET", link.URL, page...); !strings.Contains(body, "Summer 2026") {
		t.Errorf("the page of the link: %s", body)
	}
	if got := status("POST", sharelink.PathPrefix+token); got != 303 {
		t.Fatalf("the button: %d", got)
	}
	for path, want := range map[string]int{"/albums/2026-summer/": 200, "/albums/2026-summer/a.txt": 200, "/albums/": 303, "/albums/2025-winter/b.txt": 303} {
		if got := status("GET", path, page...); got != want {
			t.Errorf("%s: %d", path, got)
		}
	}
	policyAuth(t, r.Dir, "", "link", "revoke", link.ID, "--address", strings.TrimPrefix(r.server.admin, "http://"))
	if got := status("GET", "/albums/2026-summer/a.txt", page...); got != 303 {
		t.Errorf("after the link was revoked: %d", got)
	}
	if written := r.server.written(); strings.Contains(written, token) || !strings.Contains(written, "/.policy_auth/link/REDACTED") {
		t.Errorf("the log: %s", written)
	}
}
