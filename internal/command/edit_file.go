package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// editor changes the text of a file.
type editor interface{ Bytes() ([]byte, error) }

// editedFile is a file that a command changes or lists.
type editedFile[E editor] struct {
	name string
	edit func(name string, old []byte) (E, error)
}

// addEdited adds the flag that names one: --users is the file of users, users.yaml.
func addEdited[E editor](cmd *cobra.Command, of string, edit func(string, []byte) (E, error)) *editedFile[E] {
	f := &editedFile[E]{edit: edit}
	cmd.Flags().StringVar(&f.name, of, of+".yaml", "the file of "+of)
	return f
}

func addUsers(cmd *cobra.Command) *editedFile[users.UsersEditor] {
	return addEdited(cmd, "users", users.EditUsers)
}

func addKeys(cmd *cobra.Command) *editedFile[users.KeysEditor] {
	return addEdited(cmd, "keys", users.EditKeys)
}

// try makes a change that is thrown away: what cannot be is said before the user
// types a password.
func (f *editedFile[E]) try(change func(E) error) error {
	old, err := readIfThere(f.name)
	if err == nil {
		_, err = f.apply(old, change)
	}
	return err
}

// apply makes a change in a text.
func (f *editedFile[E]) apply(old []byte, change func(E) error) (E, error) {
	editor, err := f.edit(f.name, old)
	if err == nil {
		err = change(editor)
	}
	return editor, err
}

// change changes the file and prints what was done.
func (f *editedFile[E]) change(cmd *cobra.Command, done string, change func(E) error) error {
	made, err := replaceFile(f.name, func(old []byte) ([]byte, error) {
		editor, err := f.apply(old, change)
		if err != nil {
			return nil, err
		}
		return editor.Bytes()
	})
	if err == nil {
		reportChange(cmd, f.name, made, done)
	}
	return err
}

// changeOne makes the function of a command that changes the user or key that its argument names.
// What names the argument in errors; done is printed afterwards, with %s for the argument.
func (f *editedFile[E]) changeOne(what, done string, change func(E, string) error) func(*cobra.Command, []string) error {
	return run(func(cmd *cobra.Command, args []string) (bool, error) {
		name, err := oneArg(cmd, args, what)
		if err != nil {
			return false, err
		}
		return true, f.change(cmd, fmt.Sprintf(done, name), func(e E) error { return change(e, name) })
	})
}

// reportChange tells on standard error what was done to a file.
func reportChange(cmd *cobra.Command, file string, made bool, done string) {
	if made {
		done += "; the file is new, and only its owner may read it: the server has to run as that user"
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", file, done)
}
