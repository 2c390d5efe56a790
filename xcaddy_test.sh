#!/usr/bin/env bash
# The test command: unit tests, a build with the real xcaddy, and the built
# binary driven over HTTP.
#
#   ./xcaddy_test.sh           everything: 15 to 40 minutes on two cores
#   ./xcaddy_test.sh --quick   without linters, other platforms and the xcaddy
#                              build: the end-to-end tests drive the binary of
#                              cmd/caddy instead
#
# It needs Go and git; what else it needs it installs (Debian packages, tools
# pinned in tools/go.mod and tools/lint/go.mod). With CI=true a skipped test is a failure.
# At the end it prints how long each step took.
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
steps=() current= began=0
trap 'finish; rm -rf "$work"' EXIT

# xcaddy's own flags, so that the plain build and the xcaddy build share a cache.
export GOFLAGS="-buildvcs=false -trimpath -tags=nobadger,nomysql,nopgx"
tags=e2e,nobadger,nomysql,nopgx # with the end-to-end tests
if [ -z "${POLICY_AUTH_VECTORS:-}" ] && [ -d ../shared/vectors ]; then
	POLICY_AUTH_VECTORS=$(cd ../shared/vectors && pwd)
	export POLICY_AUTH_VECTORS
fi

# step NAME ends the step before and begins another.
step() {
	end
	current=$1 began=$SECONDS
	printf '\n== %s\n' "$1"
}

# end prints how long the current step took.
end() {
	[ -n "$current" ] || return 0
	steps+=("$(printf '%6d s  %s' $((SECONDS - began)) "$current")")
	echo "took $((SECONDS - began)) s"
	current=
}

# finish prints how long each step took.
finish() {
	end
	printf '\n== time\n'
	printf '%s\n' "${steps[@]}" "$(printf '%6d s  in all' $SECONDS)"
}

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

# lint NAME ARGUMENT... runs a tool that tools/lint/go.mod pins, with the flags of
# the build, so that it finds in the cache what the build has compiled.
lint() {
	go tool -modfile=tools/lint/go.mod "$@"
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

step "what the tests need"
need curl curl
need gcc gcc
need chromium chromium
need chromedriver chromium-driver
need redis-server redis-server
need php-cgi php-cgi
need docker-registry docker-registry
need skopeo skopeo
need rclone rclone
need openssl openssl
need node nodejs
need npm npm
need hypercorn python3-hypercorn

step "format, go.mod, workflows"
unformatted=$(gofmt -l .)
[ -z "$unformatted" ] || { echo "gofmt would change: $unformatted" >&2 && exit 1; }
for module_dir in . tools tools/lint test/e2e/plugin; do
	(cd "$module_dir" && go mod tidy -diff)
done
tool actionlint -shellcheck= -pyflakes= .github/workflows/*.yml

step "vet"
go vet -tags "$tags" ./...
(cd test/e2e/plugin && go vet ./...)

step "unit tests"
tests unit ./...

step "race detector"
# Under it pools forget at random, so that allocations say nothing; what compares on one
# goroutine alone has nothing to race with.
tests race -race -timeout 30m -skip 'Allocations$|^TestAccessOracle$|^TestProof|^TestN15Operands$|^TestCheckShipped$' ./internal/files ./internal/store ./internal/users ./internal/token ./internal/session ./internal/login \
	./internal/policy ./internal/policy/bundle ./internal/policycheck/testrun ./internal/policycheck/counterexample ./internal/authn ./conformance .

step "policies, with stock OPA"
tool opa check --strict policies
tool opa test policies

if [ -n "$quick" ]; then
	step "build of cmd/caddy"
	go build -ldflags "-w -s" -o "$work/caddy" ./cmd/caddy
else
	step "linters"
	lint golangci-lint run --allow-parallel-runners

	step "known vulnerabilities"
	# This reports and does not fail: vulnerabilities become known without a change
	# here, and the database may be out of reach.
	lint govulncheck -tags "$tags" ./... || echo "govulncheck exited with $?"

	for platform in windows/amd64 darwin/arm64; do
		step "compile for $platform"
		GOOS=${platform%/*} GOARCH=${platform#*/} go build -o "$work/other" ./cmd/caddy
		GOOS=${platform%/*} GOARCH=${platform#*/} go vet -tags "$tags" ./...
	done

	step "xcaddy build"
	GOFLAGS=-buildvcs=false go build -modfile=tools/go.mod -o "$work/xcaddy" github.com/caddyserver/xcaddy/cmd/xcaddy
	GOFLAGS=-buildvcs=false "$work/xcaddy" build v2.11.9 --output "$work/caddy" --with "$module@v0.0.0=."
fi
"$work/caddy" list-modules | grep -q '^http.handlers.policy_auth$'

step "npm"
# In a copy, so that no file of npm's stands among the project's.
cp -r test/e2e/npm "$work/npm"
(cd "$work/npm" && npm ci --ignore-scripts --no-audit --no-fund --silent)
export POLICY_AUTH_NPM="$work/npm"

step "end to end"
POLICY_AUTH_CADDY="$work/caddy" tests e2e -tags "$tags" -count=1 -run '^TestE2E' ./test/e2e

step "benchmark, whether it runs"
tools/bench/run --quick
