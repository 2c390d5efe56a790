package users

import (
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// KeysEditor changes keys.yaml. It keeps comments and order.
type KeysEditor struct{ *editor }

// EditKeys parses keys.yaml, which must be valid; nil data means a new file.
func EditKeys(name string, data []byte) (KeysEditor, error) {
	if _, err := ParseAPIKeys(name, data); data != nil && err != nil {
		return KeysEditor{}, err
	}
	e, err := newEditor(name, data, "keys", yaml.SequenceNode)
	return KeysEditor{e}, err
}

// KeyEntry describes a new key.
type KeyEntry struct {
	// ID, Owner and Hash are required; the hash is sha256: and hexadecimal digits.
	ID, Owner, Hash string
	// Roles, Scopes and Networks may be empty; no networks means everywhere.
	Roles, Scopes, Networks []string
	// Expires is zero for never.
	Expires time.Time
}

// Add adds a key. Its ID must be new, also among disabled keys.
func (e KeysEditor) Add(k KeyEntry) error {
	if e.find(k.ID) != nil {
		return fmt.Errorf("%s: key %s exists; choose another ID, or revoke it first", e.name, k.ID)
	}
	key := newEntry()
	key.add("id", scalar(k.ID))
	key.add("hash", quoted(k.Hash))
	key.add("owner", scalar(k.Owner))
	key.texts("roles", k.Roles)
	key.texts("scopes", k.Scopes)
	key.texts("networks", k.Networks)
	key.time("expires", k.Expires)
	e.list.Style &^= yaml.FlowStyle
	e.list.Content = append(e.list.Content, &key.node)
	return nil
}

// Revoke disables a key. The key stays in the file, so that the log can name it.
func (e KeysEditor) Revoke(id string) error {
	key := e.find(id)
	if key == nil {
		return fmt.Errorf("%s: no key %q", e.name, id)
	}
	value := truth
	setField(key, "disabled", &value)
	return nil
}

// Remove removes a key. Its ID can be used again.
func (e KeysEditor) Remove(id string) error {
	key := e.find(id)
	if key == nil {
		return fmt.Errorf("%s: no key %q", e.name, id)
	}
	e.list.Content = slices.DeleteFunc(e.list.Content, func(item *yaml.Node) bool { return item == key })
	return nil
}

// Bytes returns the new content, after validating it with ParseAPIKeys.
func (e KeysEditor) Bytes() ([]byte, error) {
	data, err := e.bytes()
	if err == nil {
		_, err = ParseAPIKeys(e.name, data)
	}
	return data, err
}

// find returns the entry of a key, or nil.
func (e KeysEditor) find(id string) *yaml.Node {
	for _, item := range e.list.Content {
		for i := 0; i+1 < len(item.Content); i += 2 {
			if item.Content[i].Value == "id" && item.Content[i+1].Value == id {
				return item
			}
		}
	}
	return nil
}
