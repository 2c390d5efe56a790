// Package users verifies passwords and API keys. It parses users.yaml, htpasswd files
// and keys.yaml into immutable sets. Verifying takes the same time for known and
// unknown names.
package users

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/secure/precis"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// User is a user with a password. It is immutable.
type User struct {
	// Name is what the user signs in with, as Normalize returns it.
	Name string
	// Hash is the stored password: bcrypt or argon2id.
	Hash string
	// Disabled says that the account does not count.
	Disabled bool
	// Expires is when the account stops counting; zero for never.
	Expires time.Time
	// Identity is the identity of the user's requests.
	Identity *authenticator.Identity
}

// Users is an immutable set of users.
type Users struct {
	byName map[string]*User
	hashes []string // of all users, sorted; unknown names get one of their costs
	seed   [32]byte // selects the cost of unknown names, also after a restart
}

// NewUsers returns a set of users. Two users with the same name are an error, and
// so are names that differ only in case.
func NewUsers(users ...*User) (*Users, error) {
	set := &Users{byName: make(map[string]*User, len(users))}
	folded := make(map[string]string, len(users))
	for _, user := range users {
		lower := strings.ToLower(user.Name)
		if other, alike := folded[lower]; alike && other != user.Name {
			return nil, fmt.Errorf("users %s and %s differ in upper and lower case alone: people and rules mix them up, so rename one", other, user.Name)
		}
		folded[lower] = user.Name
		if set.byName[user.Name] != nil {
			return nil, fmt.Errorf("user %s is there twice", user.Name)
		}
		set.byName[user.Name] = user
		set.hashes = append(set.hashes, user.Hash)
	}
	slices.Sort(set.hashes)
	set.seed = sha256.Sum256([]byte(strings.Join(set.hashes, "\n")))
	return set, nil
}

// Active reports whether the account is neither disabled nor expired at a time.
func (u *User) Active(now time.Time) bool {
	return !u.Disabled && (u.Expires.IsZero() || now.Before(u.Expires))
}

// Get returns the user with a normalized name, or nil.
func (u *Users) Get(name string) *User { return u.byName[name] }

// All returns the users, in no particular order.
func (u *Users) All() []*User {
	all := make([]*User, 0, len(u.byName))
	for _, user := range u.byName {
		all = append(all, user)
	}
	return all
}

// NewUser returns a user with only a name and a hash.
func NewUser(name, hash string) (*User, error) {
	return newUser(name, record{Password: hash})
}

// record is a user in users.yaml.
type record struct {
	Password      string         `yaml:"password"`
	Name          string         `yaml:"name"`
	Roles         []string       `yaml:"roles"`
	Groups        []string       `yaml:"groups"`
	Email         string         `yaml:"email"`
	EmailVerified bool           `yaml:"email_verified"`
	Disabled      bool           `yaml:"disabled"`
	Expires       time.Time      `yaml:"expires"`
	Claims        map[string]any `yaml:"claims"`
}

// newUser validates a record and returns its user.
func newUser(name string, r record) (*User, error) {
	normal, err := checkName(name)
	if err != nil {
		return nil, err
	}
	if err := CheckHash(r.Password); err != nil {
		return nil, fmt.Errorf("user %s: %w", normal, err)
	}
	claims, err := convertClaims(r.Claims)
	if err != nil {
		return nil, fmt.Errorf("user %s: claims: %w", normal, err)
	}
	claims["email_verified"] = r.EmailVerified
	id := &authenticator.Identity{
		Authenticated: true, Kind: authenticator.KindUser, ID: normal, Username: normal, Name: r.Name, Method: "basic",
		Roles: r.Roles, Groups: r.Groups, Email: r.Email, Claims: claims,
	}
	if !r.Expires.IsZero() {
		id.ExpiresAt = r.Expires.Unix()
	}
	return &User{Name: normal, Hash: r.Password, Disabled: r.Disabled, Expires: r.Expires, Identity: id.Normalize()}, nil
}

// Normalize returns the normalized form of a user name, in which different code
// points with the same appearance and meaning are equal (RFC 7617, section 2.1; RFC
// 8265, section 3.4). It returns false for a text that cannot be a name.
func Normalize(name string) (string, bool) {
	if printableASCII(name, '!') {
		return name, true
	}
	normal, err := precis.UsernameCasePreserved.String(name)
	return normal, err == nil
}

// maxName is the maximum length of a name, in bytes. It limits the memory for names
// of failed attempts.
const maxName = 256

// checkName returns the normalized form of a name that HTTP Basic can transmit.
func checkName(name string) (string, error) {
	normal, ok := Normalize(name)
	switch {
	case len(name) > maxName:
		return "", fmt.Errorf("user %q...: a name has at most %d bytes", name[:maxName], maxName)
	case strings.Contains(name, ":"):
		return "", fmt.Errorf("user %q: a name with a colon cannot be sent by Basic (RFC 7617, section 2)", name)
	case name == "", strings.ContainsFunc(name, unicode.IsControl):
		return "", fmt.Errorf("user %q: a name has at least one character and no control characters", name)
	case !ok:
		return "", fmt.Errorf("user %q: not a name (RFC 8265, section 3.4): it has spaces or characters that cannot be told apart from others", name)
	}
	return normal, nil
}

// errClaims is the error of claims that JSON cannot represent.
var errClaims = errors.New("want strings, numbers, booleans, lists and mappings with strings as keys")
