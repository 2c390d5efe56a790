//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fastCGI stands for fcgiwrap: it runs the program that SCRIPT_FILENAME names, with the
// variables that it gets and no other (FastCGI 1.0, sections 3 to 5).
func fastCGI(t *testing.T, socket string) {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				serveFastCGI(connection)
			}()
		}
	}()
}

// serveFastCGI answers the one request of a connection.
func serveFastCGI(connection io.ReadWriter) {
	const params, stdin, stdout, end = 4, 5, 6, 3
	streams := map[byte]*bytes.Buffer{params: {}, stdin: {}}
	in, head := bufio.NewReader(connection), make([]byte, 8)
	for {
		if _, err := io.ReadFull(in, head); err != nil {
			return
		}
		length, padding := int64(head[4])<<8|int64(head[5]), int64(head[6])
		content, err := io.ReadAll(io.LimitReader(in, length))
		if err != nil {
			return
		}
		_, _ = io.CopyN(io.Discard, in, padding)
		if stream := streams[head[1]]; stream != nil {
			stream.Write(content)
		}
		if head[1] == stdin && length == 0 {
			break
		}
	}
	program := exec.Command("false")
	for list := streams[params]; list.Len() > 0; {
		name, value := pairLength(list), pairLength(list)
		variable := string(list.Next(name)) + "=" + string(list.Next(value))
		program.Env = append(program.Env, variable)
		if path, ok := strings.CutPrefix(variable, "SCRIPT_FILENAME="); ok {
			program.Path = path
		}
	}
	program.Stdin = streams[stdin]
	output, _ := program.Output()
	write := func(record byte, part []byte) {
		_, _ = connection.Write(append([]byte{1, record, 0, 1, byte(len(part) >> 8), byte(len(part)), 0, 0}, part...))
	}
	for part := range slices.Chunk(output, 1<<15) {
		write(stdout, part)
	}
	write(end, make([]byte, 8))
}

// pairLength reads the length of a name or a value.
func pairLength(list *bytes.Buffer) int {
	first, _ := list.ReadByte()
	if first < 0x80 {
		return int(first)
	}
	rest := list.Next(3)
	return int(first&0x7f)<<24 | int(rest[0])<<16 | int(rest[1])<<8 | int(rest[2])
}

// git runs git in a folder of the recipe, for alice with a password. Its connections go
// through a proxy that leads every host to the recipe's Caddy.
func (r *recipe) git(t *testing.T, folder, password string, args ...string) (string, error) {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(r.connect))
	defer proxy.Close()
	r.env.Write("askpass", "#!/bin/sh\necho '"+password+"'\n")
	if err := os.Chmod(filepath.Join(r.Dir, "askpass"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = filepath.Join(r.Dir, folder)
	cmd.Env = append(os.Environ(), "HOME="+r.Dir, "HTTPS_PROXY="+proxy.URL, "GIT_SSL_NO_VERIFY=1", "GIT_ASKPASS="+filepath.Join(r.Dir, "askpass"), "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// TestE2ERecipeGit runs docs/recipes/git.md: git itself clones and pushes with app
// passwords through git http-backend.
func TestE2ERecipeGit(t *testing.T) {
	provider := newProvider(t, "team")
	folder := t.TempDir()
	socket := filepath.Join(folder, "fcgi.socket")
	r := newRecipe(t, "git", "/run/fcgiwrap.socket", socket, "/srv/git", folder, "https://id.example.com", provider.URL).serve()
	fastCGI(t, socket)
	git := func(works bool, folder, password string, args ...string) string {
		t.Helper()
		said, err := r.git(t, folder, password, args...)
		if (err == nil) != works {
			t.Errorf("git %s with %.6s…: %v %s", strings.Join(args, " "), password, err, said)
		}
		return said
	}
	git(true, "", "", "init", "-q", "--bare", filepath.Join(folder, "wiki.git"))
	git(true, "", "", "init", "-q", "--bare", filepath.Join(folder, "other.git"))
	hook := "#!/bin/sh\necho \"pushed by $REMOTE_USER\"\n"
	if err := os.WriteFile(filepath.Join(folder, "wiki.git", "hooks", "post-receive"), []byte(hook), 0o700); err != nil {
		t.Fatal(err)
	}
	const repository = "https://alice@git.example.com/wiki.git"
	made, end := r.owner(t, "https://git.example.com")
	reader, writer := made(), made("push")

	git(true, "", writer, "clone", "-q", repository, "work")
	r.env.Write("work/page.txt", strings.Repeat("a page of the wiki\n", 10_000))
	git(true, "work", "", "add", "page.txt")
	git(true, "work", "", "commit", "-q", "-m", "first")
	if said := git(true, "work", writer, "push", "origin", "HEAD:main"); !strings.Contains(said, "pushed by user-1") {
		t.Errorf("the hook: %s", said)
	}
	git(true, "", reader, "clone", "-q", "-b", "main", repository, "copy")
	if _, err := os.Stat(filepath.Join(r.Dir, "copy", "page.txt")); err != nil {
		t.Error(err)
	}
	git(true, "copy", "", "commit", "-q", "--allow-empty", "-m", "second")
	if said := git(false, "copy", reader, "push", "origin", "HEAD:main"); !strings.Contains(said, "403") {
		t.Errorf("a push without the scope: %s", said)
	}
	for name, test := range map[string][]string{
		"a wrong password":   {"pa_wrong", repository},
		"another user":       {writer, strings.Replace(repository, "alice", "bob", 1)},
		"upper case":         {writer, strings.Replace(repository, "alice", "Alice", 1)},
		"another repository": {writer, strings.Replace(repository, "wiki", "other", 1)},
	} {
		if said := git(false, "", test[0], "clone", test[1], "refused"); !strings.Contains(said, "Authentication failed") && !strings.Contains(said, "403") {
			t.Errorf("%s: %s", name, said)
		}
	}
	end()
	git(false, "copy", reader, "fetch")
}
