package accesstable

import "github.com/policyauth/caddy-policy-auth/internal/request"

// elsewhere are further paths that the next handler may serve or change for a request.
// Only rules that have paths judge them: what says nothing of paths was written for the
// path that the client asks for.
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
