package testenv

// MultisiteCase is a site on which policy_auth works together with other directives
// of Caddy. In its lines AUTH stands for what stands in a policy_auth block and
// UPSTREAM for the address of a server that answers "protected".
type MultisiteCase struct {
	name     string
	site     string
	path     string   // default /secret.html
	request  []string // headers, in pairs
	known    []string // headers of the allowed, in pairs; default alice's password
	body     string   // sent by POST
	user     string   // who is refused; default anonymous
	refused  reply
	allowed  reply
	upstream bool   // whether an allowed request gets there
	Logged   string // a part of the access log's line for an allowed request
}

// reply is what a client is to get.
type reply struct {
	status int // default 401, or 200 for an allowed request
	body   string
	header []string // names and values, in pairs
}

// shownPage is a file for error routes and templates.
const shownPage = `page {{placeholder "http.error.status_code"}} {{placeholder "http.auth.user.id"}} {{.Req.Header.Get "X-Auth-User"}}`

// MultisiteCases are tried in process and, by the end-to-end tests, with a running
// Caddy, from a Caddyfile and from its JSON.
var MultisiteCases = []MultisiteCase{
	{name: "respond", site: "policy_auth {\nAUTH\n}\nrespond protected", allowed: reply{body: "protected"}},
	{name: "file_server", site: "policy_auth {\nAUTH\n}\nfile_server", allowed: reply{body: "protected"}},
	{name: "file_server, range", site: "policy_auth {\nAUTH\n}\nfile_server", request: []string{"Range", "bytes=0-3"}, allowed: reply{206, "prot", []string{"Content-Range", "bytes 0-3/9"}}},
	{name: "try_files", site: "policy_auth {\nAUTH\n}\ntry_files {path} /secret.html\nfile_server", path: "/nothing", allowed: reply{body: "protected"}},
	{name: "reverse_proxy", site: "policy_auth {\nAUTH\n}\nreverse_proxy UPSTREAM", allowed: reply{body: "protected for alice"}, upstream: true},
	{name: "templates", site: "policy_auth {\nAUTH\n}\ntemplates\nfile_server", path: "/shown.html", allowed: reply{body: "page  alice alice"}},
	{name: "encode", site: "policy_auth {\nAUTH\n}\nencode zstd gzip {\n minimum_length 1\n}\nfile_server", path: "/large.html", request: []string{"Accept-Encoding", "gzip"},
		allowed: reply{body: "protected protected", header: []string{"Content-Encoding", "gzip"}}},
	{name: "intercept", site: "policy_auth {\nAUTH\n}\nintercept {\n @fine status 2xx\n replace_status @fine 201\n}\nreverse_proxy UPSTREAM", allowed: reply{201, "protected", nil}, upstream: true},
	{name: "intercept around", site: "route {\nintercept {\n @denied status 401\n handle_response @denied {\n header -Content-Length\n header Content-Type text/plain\n respond \"intercepted\" 401\n }\n }\npolicy_auth {\nAUTH\n}\nrespond protected\n}",
		refused: reply{body: "intercepted"}, allowed: reply{body: "protected"}},
	{name: "header", site: "policy_auth {\nAUTH\n}\nheader X-Seen yes\nheader >X-Late {http.policy_auth.decision}\nrespond protected",
		refused: reply{header: []string{"X-Seen", "yes", "X-Late", "deny"}}, allowed: reply{body: "protected", header: []string{"X-Seen", "yes", "X-Late", "allow"}}},
	{name: "header, default and removal", site: "policy_auth {\nAUTH\n}\nheader {\n ?Cache-Control \"max-age=60\"\n -Server\n defer\n}\nrespond protected",
		refused: reply{header: []string{"Server", ""}}, allowed: reply{body: "protected", header: []string{"Cache-Control", "max-age=60", "Server", ""}}},
	{name: "request_header", site: "policy_auth {\nAUTH\n}\nrequest_header X-Auth-User (.*) \"was $1\"\nreverse_proxy UPSTREAM", allowed: reply{body: "protected for was alice"}, upstream: true},
	{name: "forward_auth", site: "policy_auth {\nAUTH\n}\nforward_auth UPSTREAM {\n uri /check\n copy_headers X-Checked\n}\nrespond \"protected {header.X-Checked}\"", allowed: reply{body: "protected GET /secret.html"}, upstream: true},
	{name: "forward_auth refuses", site: "policy_auth {\nAUTH\n}\nforward_auth UPSTREAM {\n uri /never\n copy_headers X-Checked\n}\nrespond protected", allowed: reply{status: 418}, upstream: true},
	{name: "basic_auth", site: "policy_auth {\nKEYS\n}\nbasic_auth {\n other HASH\n}\nrespond protected", known: []string{"X-API-Key", Canary, "Authorization", BasicOf("other")},
		allowed: reply{body: "protected"}},
	{name: "basic_auth refuses", site: "policy_auth {\nKEYS\n}\nbasic_auth {\n other HASH\n}\nrespond protected", known: []string{"X-API-Key", Canary},
		allowed: reply{status: 401, header: []string{"WWW-Authenticate", `Basic realm="restricted"`}}},
	{name: "request_body", site: "route {\npolicy_auth {\nKEYS\n}\nrequest_body {\n max_size 4\n}\nreverse_proxy UPSTREAM\n}", body: "too large", known: []string{"X-API-Key", Canary}, allowed: reply{status: 413}},
	{name: "request_body, small", site: "policy_auth {\nKEYS\n}\nrequest_body {\n max_size 64\n}\nreverse_proxy UPSTREAM", body: "small", known: []string{"X-API-Key", Canary}, allowed: reply{body: ": small"}, upstream: true},
	{name: "map", site: "policy_auth {\nAUTH\n}\nmap {http.auth.user.id} {who} {\n alice boss\n default nobody\n}\nrespond \"protected {who}\"", allowed: reply{body: "protected boss"}},
	{name: "vars", site: "route {\npolicy_auth {\nAUTH\n}\nvars who {http.auth.user.id}\nrespond \"protected {vars.who}\"\n}", allowed: reply{body: "protected alice"}},
	{name: "log_append", site: "log\nlog_append who {http.auth.user.id}\npolicy_auth {\nAUTH\n}\nrespond protected", allowed: reply{body: "protected"}, Logged: `"who":"alice"`},
	{name: "handle", site: "policy_auth {\nAUTH\n}\nhandle /secret.html {\n respond \"protected a\"\n}\nhandle {\n respond \"protected b\"\n}", allowed: reply{body: "protected a"}},
	{name: "policy_auth in handle", site: "handle /open {\n respond open\n}\nhandle {\n policy_auth {\nAUTH\n}\nrespond protected\n}", allowed: reply{body: "protected"}},
	{name: "handle_path", site: "handle_path /app/* {\npolicy_auth {\nAUTH\n}\nfile_server\n}", path: "/app/secret.html", allowed: reply{body: "protected"}},
	{name: "handle_path behind", site: "policy_auth {\nAUTH\n}\nhandle_path /app/* {\nfile_server\n}", path: "/app/secret.html", allowed: reply{body: "protected"}},
	{name: "route", site: "route /secret.html {\npolicy_auth {\nAUTH\n}\nfile_server\n}", allowed: reply{body: "protected"}},
	{name: "rewrite", site: "rewrite /alias /secret.html\npolicy_auth {\nAUTH\n}\nfile_server", path: "/alias", allowed: reply{body: "protected"}},
	{name: "named matcher", site: "@secret {\n path /secret.*\n not header X-Open yes\n}\npolicy_auth @secret {\nAUTH\n}\nfile_server", allowed: reply{body: "protected"}},
	{name: "expression", site: "@secret `path('/secret.*') && {method} == 'GET'`\npolicy_auth @secret {\nAUTH\n}\nfile_server", allowed: reply{body: "protected"}},
	{name: "snippet", site: "import guarded 60\nfile_server", allowed: reply{body: "protected", header: []string{"X-Age", "60"}}},
	{name: "two handlers", site: "policy_auth {\nAUTH\n}\npolicy_auth /secret.html {\nAUTH\n}\nreverse_proxy UPSTREAM", allowed: reply{body: "protected for alice"}, upstream: true},
	{name: "handle_errors unasked", site: "policy_auth {\nAUTH\n}\nfile_server\nhandle_errors {\n respond sorry\n}", refused: reply{body: `"status":401`}, allowed: reply{body: "protected"}},
	{name: "handle_errors, respond", site: "policy_auth {\nAUTH\nerror_pages delegate\n}\nfile_server\nhandle_errors {\n respond \"sorry {err.status_code}\"\n}", refused: reply{body: "sorry 401"}, allowed: reply{body: "protected"}},
	{name: "handle_errors, 403", site: "policy_auth {\nAUTH\nerror_pages delegate\n}\nfile_server\nhandle_errors 401 403 {\n respond \"sorry {err.status_code}\"\n}", path: "/admin/secret.html", user: "bob", refused: reply{403, "sorry 403", nil}, allowed: reply{body: "protected"}},
	{name: "handle_errors, file_server", site: "policy_auth {\nAUTH\nerror_pages delegate\n}\nfile_server\nhandle_errors {\n file_server\n}", allowed: reply{body: "protected"}},
	{name: "handle_errors, rewrite and file_server", site: "policy_auth {\nAUTH\nerror_pages delegate\n}\nfile_server\nhandle_errors {\n rewrite * /errors/{err.status_code}.html\n file_server\n}", refused: reply{body: "sorry page"}, allowed: reply{body: "protected"}},
	{name: "handle_errors, templates", site: "policy_auth {\nAUTH\nerror_pages delegate\n}\nfile_server\nhandle_errors {\n rewrite * /shown.html\n templates\n file_server\n}", refused: reply{body: "page 401"}, allowed: reply{body: "protected"}},
	{name: "handle_errors, try_files", site: "policy_auth {\nAUTH\nerror_pages delegate\n}\nfile_server\nhandle_errors {\n try_files {path} /errors/401.html\n file_server\n}", refused: reply{body: "sorry page"}, allowed: reply{body: "protected"}},
	{name: "handle_errors, header", site: "policy_auth {\nAUTH\nerror_pages delegate\n}\nrespond protected\nhandle_errors {\n header X-Error {err.status_code}\n respond \"{http.request.uri}\"\n}", refused: reply{body: "/.policy_auth/refused", header: []string{"X-Error", "401"}}, allowed: reply{body: "protected"}},
	{name: "error of another directive", site: "policy_auth {\nAUTH\n}\nerror /secret.html teapot 418\nhandle_errors {\n respond \"sorry {err.status_code}\"\n}", allowed: reply{418, "sorry 418", nil}},
	{name: "a matcher that fails", site: "@broken `{http.request.uri.path}.size() < int({http.request.header.X-Number})`\npolicy_auth @broken {\nAUTH\n}\nfile_server\nhandle_errors {\n file_server\n}",
		refused: reply{status: 500}, allowed: reply{status: 500}},
}
