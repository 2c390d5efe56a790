package command

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// scaffold is what init makes, but for the users.
//
//go:embed scaffold
var scaffold embed.FS

// usersName is the file of users that init makes.
const usersName = "users.yaml"

// createdSite is what init --json shows.
type createdSite struct {
	Directory string   `json:"directory"`
	Files     []string `json:"files"`
	User      string   `json:"user"`
	Password  string   `json:"password"`
}

// newInit makes caddy policy-auth init.
func newInit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init [<directory>] [--user <name>] [--json]",
		Short: "Creates a protected site to start with",
		Long: `
Creates a site that runs, in this directory or another one: a Caddyfile, an access
table, policies with tests, an error page and one user with a random password, which
is written to standard output once. It never overwrites a file: if one of them
exists, nothing is created.`,
		Example: `  caddy policy-auth init
  caddy policy-auth init site --user alice`,
	}
	user, asJSON := cmd.Flags().String("user", "admin", "the name of the first user"), addJSON(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, args []string) (bool, error) {
		dir := "."
		if len(args) > 0 {
			var err error
			if dir, err = oneArg(cmd, args, "directory"); err != nil {
				return false, err
			}
		}
		site, err := createSite(dir, *user)
		if err != nil {
			return false, err
		}
		if *asJSON {
			return true, writeJSON(cmd, site)
		}
		site.guide(cmd)
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "user: %s\npassword: %s\n", site.User, site.Password)
		return true, err
	})
	return cmd
}

// createSite makes a site with one user in a directory.
func createSite(dir, user string) (*createdSite, error) {
	files, err := scaffoldFiles()
	if err != nil {
		return nil, err
	}
	site := &createdSite{Directory: dir, User: user, Password: users.GeneratePassword()}
	if files[usersName], err = firstUser(user, site.Password); err != nil {
		return nil, err
	}
	for _, name := range scaffoldOrder {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return nil, fmt.Errorf("%s exists; init overwrites nothing, so nothing was created: choose another directory", filepath.Join(dir, name))
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	for _, name := range scaffoldOrder {
		path := filepath.Join(dir, name)
		if err := create(path, files[name]); err != nil {
			return nil, err
		}
		site.Files = append(site.Files, path)
	}
	return site, nil
}

// scaffoldOrder is the order in which the files are made and named.
var scaffoldOrder = []string{"Caddyfile", "access.yaml", usersName, "policies/authz.rego", "policies/authz_test.rego", "errorpages/error.html"}

// scaffoldFiles returns the contents of the files by name.
func scaffoldFiles() (map[string][]byte, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(scaffold, "scaffold", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[strings.TrimPrefix(path, "scaffold/")], err = scaffold.ReadFile(path)
		return err
	})
	return files, err
}

// firstUser returns users.yaml with one user, who may do everything.
func firstUser(name, password string) ([]byte, error) {
	hash, err := users.HashArgon2id(password)
	if err != nil {
		return nil, err
	}
	editor, err := users.EditUsers(usersName, nil)
	if err != nil {
		return nil, err
	}
	if err := editor.Add(users.UserEntry{Name: name, Hash: hash, Roles: []string{"admin", "member"}}); err != nil {
		return nil, err
	}
	return editor.Bytes()
}

// create writes a file that is not there yet. Only its owner may read that
// of the users.
func create(path string, content []byte) error {
	mode := fs.FileMode(0o644)
	if filepath.Base(path) == usersName {
		mode = newFileMode
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Close())
}

// guide prints what was created and what to do next.
func (b *createdSite) guide(cmd *cobra.Command) {
	enter := ""
	if b.Directory != "." {
		enter = fmt.Sprintf("  cd %s\n", b.Directory)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), `created %s
Only its owner can read %s, so Caddy must run as that user.

Next:
%s  caddy run
and, from another terminal:
  curl -i http://localhost:8080/               anonymous: 401
  curl -i -u %s http://localhost:8080/      with the password below
Then edit access.yaml and send the requests again: changes apply within a second. To run
the tests of the policies:
  caddy policy-auth test policies --access access.yaml

The password is shown only once:
`, strings.Join(b.Files, " "), filepath.Join(b.Directory, usersName), enter, b.User)
}
