package authn

import (
	"maps"
	"slices"
	"sync"

	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// userChanges tells the sites that share users of each change.
type userChanges struct {
	mu        sync.Mutex
	current   *users.Users
	followers map[int]func(before, after *users.Users)
	added     int
}

// take is called with the users of the first load and of each later one.
func (c *userChanges) take(after *users.Users) {
	c.mu.Lock()
	before := c.current
	c.current = after
	followers := slices.Collect(maps.Values(c.followers))
	c.mu.Unlock()
	for _, tell := range followers {
		tell(before, after)
	}
}

// follow calls tell with the users before and after each change, until release is called.
func (c *userChanges) follow(tell func(before, after *users.Users)) (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.followers == nil {
		c.followers = map[int]func(before, after *users.Users){}
	}
	c.added++
	key := c.added
	c.followers[key] = tell
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.followers, key)
	}
}
