package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// maxPasswordInput is how many bytes of standard input are looked at for a password.
const maxPasswordInput = 4 << 10

// passwordFrom says in help how a password is given.
const passwordFrom = `At a terminal, it prompts for the password twice without showing it; otherwise it
reads one line from standard input. A password is never an argument, because every
user of the machine can see those, and the shell's history keeps them.`

// readPassword returns a new password, from a terminal or standard input.
func readPassword(cmd *cobra.Command) (string, error) {
	if file, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return promptPasswordTwice(cmd, int(file.Fd()))
	}
	content, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxPasswordInput+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("the password: %w", err)
	case len(content) > maxPasswordInput:
		return "", errors.New("the password on standard input is too long")
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if line == "" {
		return "", errors.New("standard input has no password: write one line, or use --generate")
	}
	return line, checkPasswordLength(line)
}

// minPassword is how many characters a password has at least (NIST SP 800-63B,
// section 3.1.1.2).
const minPassword = 8

// checkPasswordLength refuses a password that is soon guessed.
func checkPasswordLength(password string) error {
	if count := utf8.RuneCountInString(password); count < minPassword {
		return fmt.Errorf("the password has %d characters; use at least %d, or --generate", count, minPassword)
	}
	return nil
}

// promptPasswordTwice asks for a password two times; both have to be the same.
func promptPasswordTwice(cmd *cobra.Command, terminal int) (string, error) {
	password, err := promptPassword(cmd, terminal, "Password: ")
	if err != nil {
		return "", err
	}
	again, err := promptPassword(cmd, terminal, "Repeat password: ")
	if err == nil && again != password {
		err = errors.New("the two passwords differ")
	}
	if err == nil {
		err = checkPasswordLength(password)
	}
	return password, err
}

// promptPassword reads a line from a terminal that does not show it. A person who interrupts
// gets the terminal back as it was.
func promptPassword(cmd *cobra.Command, terminal int, prompt string) (string, error) {
	before, err := term.GetState(terminal)
	if err != nil {
		return "", err
	}
	interrupted, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(interrupted, os.Interrupt)
	defer close(done)
	defer signal.Stop(interrupted)
	go func() {
		select {
		case <-interrupted:
			_ = term.Restore(terminal, before)
			os.Exit(2)
		case <-done:
		}
	}()
	fmt.Fprint(cmd.ErrOrStderr(), prompt)
	line, err := term.ReadPassword(terminal)
	fmt.Fprintln(cmd.ErrOrStderr())
	if err != nil {
		return "", fmt.Errorf("the password: %w", err)
	}
	return string(line), nil
}

// hashes are the functions that hash passwords, by the names that --algorithm takes.
var hashes = map[string]func(string) (string, error){"argon2id": users.HashArgon2id, "bcrypt": users.HashBcrypt}

// addAlgorithm adds the flag that names one of them.
func addAlgorithm(cmd *cobra.Command) *string {
	return cmd.Flags().String("algorithm", "argon2id", "the algorithm: argon2id or bcrypt")
}

// hashWith returns the function of a name.
func hashWith(algorithm string) (func(string) (string, error), error) {
	if hash := hashes[algorithm]; hash != nil {
		return hash, nil
	}
	return nil, fmt.Errorf("--algorithm %q: want argon2id or bcrypt", algorithm)
}
