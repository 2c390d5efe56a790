package users

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// UsersEditor changes users.yaml. It keeps comments and order.
type UsersEditor struct{ *editor }

// EditUsers parses users.yaml, which must be valid; nil data means a new file.
func EditUsers(name string, data []byte) (UsersEditor, error) {
	if _, err := ParseUsers(name, data); data != nil && err != nil {
		return UsersEditor{}, err
	}
	e, err := newEditor(name, data, "users", yaml.MappingNode)
	return UsersEditor{e}, err
}

// UserEntry describes a new user.
type UserEntry struct {
	// Name and Hash are required; the hash is bcrypt's or argon2id's.
	Name, Hash string
	// FullName, Email, Roles and Groups may be empty.
	FullName, Email string
	Roles, Groups   []string
	// Expires is zero for never.
	Expires time.Time
}

// Add adds a user, whose name must be new.
func (e UsersEditor) Add(a UserEntry) error {
	normal, err := checkName(a.Name)
	if err != nil {
		return err
	}
	if e.index(normal) >= 0 {
		return fmt.Errorf("%s: user %s exists; choose another name, or change it with the other user commands", e.name, normal)
	}
	for i := 0; i < len(e.list.Content); i += 2 {
		if other := e.list.Content[i].Value; strings.EqualFold(other, normal) {
			return fmt.Errorf("%s: users %s and %s differ in upper and lower case alone: people and rules mix them up", e.name, other, normal)
		}
	}
	user := newEntry()
	user.add("password", quoted(a.Hash))
	user.text("name", a.FullName)
	user.texts("roles", a.Roles)
	user.texts("groups", a.Groups)
	user.text("email", a.Email)
	user.time("expires", a.Expires)
	e.list.Style &^= yaml.FlowStyle
	e.list.Content = append(e.list.Content, scalar(normal), &user.node)
	return nil
}

// Remove removes a user.
func (e UsersEditor) Remove(name string) error {
	i := e.index(name)
	if i < 0 {
		return e.unknown(name)
	}
	e.list.Content = slices.Delete(e.list.Content, i, i+2)
	return nil
}

// Disable sets or clears the disabled field of a user.
func (e UsersEditor) Disable(name string, disabled bool) error {
	if disabled {
		value := truth
		return e.set(name, "disabled", &value)
	}
	return e.set(name, "disabled", nil)
}

// SetHash replaces a user's stored password.
func (e UsersEditor) SetHash(name, hash string) error { return e.set(name, "password", quoted(hash)) }

// Bytes returns the new content, after validating it with ParseUsers. Removing the
// last user is an error, for instance.
func (e UsersEditor) Bytes() ([]byte, error) {
	data, err := e.bytes()
	if err == nil {
		_, err = ParseUsers(e.name, data)
	}
	return data, err
}

func (e UsersEditor) set(name, field string, value *yaml.Node) error {
	i := e.index(name)
	if i < 0 {
		return e.unknown(name)
	}
	setField(e.list.Content[i+1], field, value)
	return nil
}

func (e UsersEditor) unknown(name string) error {
	return fmt.Errorf("%s: no user %q", e.name, name)
}

// index returns the position of a user's name in the list, or -1.
func (e UsersEditor) index(name string) int {
	normal, _ := Normalize(name)
	for i := 0; i+1 < len(e.list.Content); i += 2 {
		if there, ok := Normalize(e.list.Content[i].Value); ok && there == normal {
			return i
		}
	}
	return -1
}
