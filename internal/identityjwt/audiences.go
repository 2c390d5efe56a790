package identityjwt

import (
	"fmt"
	"sync"
)

// Audiences are the audiences of the sites of all loaded configurations. An upstream
// that accepts the JWTs of one site must not accept those of another.
type Audiences struct {
	mu    sync.Mutex
	sites map[audience]*claimed
}

// audience is an audience within a configuration.
type audience struct {
	config any
	name   string
}

// claimed is the site that has an audience, with the number of its handlers.
type claimed struct {
	site     string
	handlers int
}

// Claim gives an audience to a site of a configuration, which is compared. It returns
// an error if another site of the configuration has it. Handlers of one site may share
// one. Call release when the handler is no longer in use.
func (a *Audiences) Claim(config any, name, site string) (release func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := audience{config, name}
	held := a.sites[of]
	switch {
	case held == nil:
		held = &claimed{site: site}
		if a.sites == nil {
			a.sites = map[audience]*claimed{}
		}
		a.sites[of] = held
	case held.site != site:
		return nil, fmt.Errorf("audience %s is used by two sites, %s and %s: the application of one would accept JWTs issued for the other; give each site its own audience", name, held.site, site)
	}
	held.handlers++
	return sync.OnceFunc(func() { a.release(of, held) }), nil
}

func (a *Audiences) release(of audience, held *claimed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if held.handlers--; held.handlers == 0 {
		delete(a.sites, of)
	}
}
