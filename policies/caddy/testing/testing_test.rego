package caddy.testing_test

import data.caddy.testing

test_nothing if {
	testing.complete({}) == testing.input_of(testing.request("GET", "/"), testing.anonymous)
}

test_path if {
	whole := testing.complete({"request": {"method": "PUT", "path": "/Users/bob/"}})
	whole.request == testing.request("PUT", "/Users/bob/")
	whole.request.path_folded == "/users/bob/"
	whole.request.segments == ["Users", "bob"]
}

test_what_is_given_stays if {
	whole := testing.complete({
		"request": {"path": "/a", "segments": ["b"], "header_values": {"x": ["1", "2"]}, "headers": {"x": "1, 2"}},
		"client": {"ip": "10.0.0.1"},
		"config": {"team": "blue"},
	})
	whole.request.segments == ["b"]
	whole.request.header_values == {"x": ["1", "2"]}
	whole.client.ip == "10.0.0.1"
	whole.client.peer_ip == "192.0.2.1"
	whole.config == {"team": "blue"}
}

test_headers if {
	whole := testing.complete({"request": {"headers": {"accept": "text/html"}}})
	whole.request.header_values == {"accept": ["text/html"]}
}

test_query if {
	testing.complete({"request": {"query": {"k": ["a b"]}}}).request.raw_query == "k=a+b"
	testing.complete({"request": {"raw_query": "k=1&k=2"}}).request.query == {"k": ["1", "2"]}
}

test_callers[name] if {
	some name, [part, want] in {
		"nobody": [{}, {"authenticated": false, "kind": "anonymous", "username": ""}],
		"a user": [{"id": "bob"}, {"authenticated": true, "kind": "user", "username": "bob", "method": "basic"}],
		"a client": [{"id": "ci", "kind": "client"}, {"authenticated": true, "kind": "client", "username": "", "method": "api_key"}],
		"with a token": [{"id": "bob", "method": "jwt"}, {"authenticated": true, "kind": "user", "method": "jwt"}],
		"a guest": [{"kind": "guest"}, {"authenticated": false, "kind": "guest", "id": "link:album", "method": "link", "roles": []}],
		"not known": [{"id": "bob", "authenticated": false}, {"authenticated": false, "kind": "anonymous"}],
	}
	got := testing.complete({"identity": part}).identity
	every field, value in want {
		got[field] == value
	}
}
