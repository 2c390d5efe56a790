package accesstable

import "github.com/policyauth/caddy-policy-auth/internal/request"

// elsewhere are other paths than the requested one that the next handler may serve or
// change. Only rules that have paths decide about them: a rule without paths is written
// for the requested path.
type elsewhere struct {
	found bool
	paths []string // in lower case
}

// elsewhere returns these paths.
func (q *Question) elsewhere() []string {
	if !q.others.found {
		f, destination := &q.Request, ""
		if f.DestinationHost == f.Host {
			destination = lower(f.DestinationPath)
		}
		rewritten := f.PathFolded
		if f.RewrittenPath != f.Path {
			rewritten = lower(f.RewrittenPath)
		}
		q.others.found, q.others.paths = true, request.AlternatePaths(q.others.paths, f.PathFolded, rewritten, destination)
	}
	return q.others.paths
}
