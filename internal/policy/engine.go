package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
)

// Engine is a set of policies in use. It is safe for concurrent use, and reading
// it takes no lock.
type Engine struct {
	config Config
	id     string
	paths  []string // of all files and directories
	live   *files.Watched[snapshot]
}

// ID names a set by its configuration: equal sets have equal ones, also after a
// restart.
func (s *Engine) ID() string { return s.id }

// idOf hashes a configuration.
func idOf(config Config) string {
	encoded, _ := json.Marshal(config) // it holds nothing that JSON does not
	digest := sha256.Sum256(encoded)
	return hex.EncodeToString(digest[:6])
}

// Report is what became of a change of the files.
type Report struct {
	// Sources are the files and directories, absolute.
	Sources []string
	// Revision names what is in use now.
	Revision string
	// Warnings are for an operator to read.
	Warnings []string
	// Err says why the change was not taken, with file and line; nil if it was.
	Err error
	// Distrusted says that nothing has changed: a remembered decision was found to
	// differ from a new one, and none is remembered until the policies change.
	Distrusted bool
}

// Status is the state of a set, as the admin API shows it.
type Status struct {
	// ID names the set.
	ID string `json:"id"`
	// Sources are the policies' files and directories, absolute; Access are the tables'.
	Sources []string `json:"sources"`
	Access  []string `json:"access"`
	// Decision is the rule that decides.
	Decision string `json:"decision"`
	// Revision names what is in use.
	Revision string `json:"revision"`
	// LoadedAt is when that was loaded.
	LoadedAt time.Time `json:"loaded_at"`
	// Reads is what the decision may read of input, as dotted prefixes.
	Reads []string `json:"reads"`
	// Cacheable says whether decisions can be remembered, and NotCacheable why not.
	Cacheable    bool     `json:"cacheable"`
	NotCacheable []string `json:"not_cacheable"`
	// DecisionCache is "on", "off", or "distrusted" if it was found to be wrong.
	DecisionCache string `json:"decision_cache"`
	// Error says why newer files are not in use, with file and line; "" if they are.
	Error string `json:"error"`
}

// Open loads the policies, which must succeed, and watches them if configured
// so. Each later change is reported, also if it was not applied.
func Open(config Config, checker bundle.Checker, report func(Report)) (*Engine, error) {
	if err := config.Check(); err != nil {
		return nil, err
	}
	s := &Engine{config: config.Normalized()}
	s.id = idOf(s.config)
	loader := newLoader(s.config, checker)
	loader.distrusted = func(by *snapshot) {
		report(Report{Sources: s.paths, Revision: by.revision, Distrusted: true})
	}
	read := s.config.options().Files(false)
	read.Warn = func(err error) { report(Report{Sources: read.Paths, Warnings: []string{err.Error()}}) }
	s.paths = read.Paths
	var err error
	s.live, err = files.Open(read, loader.load)
	if err != nil {
		return nil, err
	}
	s.live.Report(func(err error) { report(s.report(err)) })
	if len(s.live.Load().warnings) > 0 {
		report(s.report(nil))
	}
	if config.Watch {
		s.live.Watch()
	}
	return s, nil
}

func (s *Engine) report(err error) Report {
	current := s.live.Load()
	return Report{Sources: s.paths, Revision: current.revision, Warnings: current.warnings, Err: err}
}

// Reload reads the files again now. An error says why they were not taken; the
// last good policies stay in use.
func (s *Engine) Reload() error { return s.live.Reload() }

// Status returns the state of the set.
func (s *Engine) Status() Status {
	current := s.live.Load()
	status := Status{
		ID: s.id, Sources: s.config.Sources, Access: s.config.Access, Decision: s.config.Decision,
		Revision: current.revision, LoadedAt: current.loaded, Reads: current.reads.Names(),
		Cacheable: len(current.notCacheable) == 0, NotCacheable: append([]string{}, current.notCacheable...), DecisionCache: current.cache.State(),
	}
	if err := s.live.Err(); err != nil {
		status.Error = err.Error()
	}
	return status
}

// AsksNetwork reports whether a decision may depend on the client's address. The
// policy that judges tables always reads it, so that with a table the table counts.
func (s *Engine) AsksNetwork() bool {
	current := s.live.Load()
	if current.table != nil {
		return current.table.NamesNetworks()
	}
	return current.reads.Reads("client.ip")
}

// KnowsGuests reports whether a decision may differ for the guests of share links: a
// condition of a table is on them, or a policy reads the kind of callers. The policy that
// judges tables always reads it, so that with a table and no policy the table counts.
func (s *Engine) KnowsGuests() bool {
	current := s.live.Load()
	if current.table != nil && current.table.NamesGuests() {
		return true
	}
	return len(s.config.Sources) > 0 && current.readsKind
}

// Close stops watching. It may be called more than once; requests in flight are
// still answered.
func (s *Engine) Close() error { return s.live.Close() }
