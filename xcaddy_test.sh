#!/usr/bin/env bash
# The test command: unit tests, a build with the real xcaddy, and the built
# binary driven over HTTP.
#
#   ./xcaddy_test.sh           everything
#   ./xcaddy_test.sh --quick   without the xcaddy build: the end-to-end tests
#                              drive the binary of cmd/caddy instead
#
# It needs Go and git; what else it needs it installs (Debian packages, tools
# pinned in tools/go.mod). With CI=true a skipped test is a failure.
set -euo pipefail
cd "$(dirname "$0")"

quick=
case "${1:-}" in
"") ;;
--quick) quick=1 ;;
*) echo "usage: $0 [--quick]" >&2 && exit 2 ;;
esac

module=github.com/policyauth/caddy-policy-auth
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
started=$SECONDS

# xcaddy's own flags, so that the plain build and the xcaddy build share a cache.
export GOFLAGS="-buildvcs=false -trimpath -tags=nobadger,nomysql,nopgx"
if [ -z "${POLICY_AUTH_VECTORS:-}" ] && [ -d ../shared/vectors ]; then
	POLICY_AUTH_VECTORS=$(cd ../shared/vectors && pwd)
	export POLICY_AUTH_VECTORS
fi

step() { printf '\n== %s (%d s)\n' "$1" $((SECONDS - started)); }

# need PROGRAM PACKAGE installs a Debian package unless its program is there.
need() {
	command -v "$1" >/dev/null && return
	command -v apt-get >/dev/null || { echo "please install $1" >&2 && exit 1; }
	echo "installing $2"
	[ -n "${updated:-}" ] || apt-get -qq update
	updated=1
	DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$2" >/dev/null
}

# tool NAME ARGUMENT... runs a tool that tools/go.mod pins.
tool() {
	GOFLAGS=-buildvcs=false go tool -modfile=tools/go.mod "$@"
}

# tests LABEL ARGUMENT... runs go test; in CI a skipped test is a failure.
tests() {
	local label=$1 log=$work/$1.log
	shift
	if ! go test -v "$@" >"$log" 2>&1; then
		grep -vE '^(=== |\s*--- PASS|PASS$)' "$log" | tail -n 200
		grep -E '^(\s*--- FAIL|FAIL|panic:|WARNING: DATA RACE)' "$log" || true
		return 1
	fi
	grep -E '^(ok|\?|FAIL|panic)' "$log" || true
	printf '%s: %d passed\n' "$label" "$(grep -cE '^\s*--- PASS' "$log")"
	if grep -E '^\s*--- SKIP' "$log" && [ "${CI:-}" = true ]; then
		echo "a skipped test is a failure in CI" >&2
		return 1
	fi
}

need curl curl
need gcc gcc
need chromium chromium
need chromedriver chromium-driver
need redis-server redis-server
need php-cgi php-cgi
need docker-registry docker-registry
need skopeo skopeo
need rclone rclone
need node nodejs
need npm npm
need hypercorn python3-hypercorn

step "format and vet"
unformatted=$(gofmt -l .)
[ -z "$unformatted" ] || { echo "gofmt would change: $unformatted" >&2 && exit 1; }
go vet ./...
go vet -tags "e2e,nobadger,nomysql,nopgx" ./...

step "unit tests"
tests unit ./...

step "race detector"
# Under it pools forget at random, so that allocations say nothing; what compares on one
# goroutine alone has nothing to race with.
tests race -race -timeout 30m -skip 'Allocations$|^TestAccessOracle$|^TestProof|^TestN15Operands$|^TestCheckShipped$' ./internal/files ./internal/store ./internal/users ./internal/token ./internal/session ./internal/login \
	./internal/policy ./internal/authn .

step "policies, with stock OPA"
tool opa check --strict policies
tool opa test policies

if [ -n "$quick" ]; then
	step "build of cmd/caddy"
	go build -ldflags "-w -s" -o "$work/caddy" ./cmd/caddy
else
	step "static analysis"
	tool staticcheck -tags e2e,nobadger,nomysql,nopgx ./...
	step "xcaddy build"
	before=$SECONDS
	GOFLAGS=-buildvcs=false go build -modfile=tools/go.mod -o "$work/xcaddy" github.com/caddyserver/xcaddy/cmd/xcaddy
	GOFLAGS=-buildvcs=false "$work/xcaddy" build v2.11.9 --output "$work/caddy" --with "$module@v0.0.0=."
	echo "xcaddy build took $((SECONDS - before)) s"
fi
"$work/caddy" list-modules | grep -q '^http.handlers.policy_auth$'

step "npm"
# In a copy, so that no file of npm's stands among the project's.
cp -r test/e2e/npm "$work/npm"
(cd "$work/npm" && npm ci --ignore-scripts --no-audit --no-fund --silent)
export POLICY_AUTH_NPM="$work/npm"

step "end to end"
POLICY_AUTH_CADDY="$work/caddy" tests e2e -tags "e2e,nobadger,nomysql,nopgx" -count=1 -run '^TestE2E' ./test/e2e

step "benchmark, whether it runs"
tools/bench/run --quick

step "done"
