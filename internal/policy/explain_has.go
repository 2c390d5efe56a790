package policy

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// hasPaths are where input has what a condition of a table asks about.
var hasPaths = map[string]string{
	"authenticated": "data.identity.authenticated",
	"users":         "data.identity.id",
	"roles":         "data.identity.roles",
	"groups":        "data.identity.groups",
	"scopes":        "data.identity.scopes",
	"kinds":         "data.identity.kind",
	"methods":       "data.request.method",
	"networks":      "data.client.ip",
	"anyone":        "data.request.upgrade",
	"upgrades":      "data.request.upgrade",
	"issuers":       "data.identity.issuer",
	"acr":           "data.identity.acr",
}

// has returns what a request has of what a condition asks about.
func has(name string, wanted any, document ast.Value) any {
	if name == "claims" {
		return hasClaims(wanted, document)
	}
	path, known := hasPaths[name]
	if !known {
		return nil
	}
	value := inputAt(document, refOf(path)[1:])
	if name == "anyone" && value == "" {
		return nil // it holds without an upgrade
	}
	if name == "networks" && inputAt(document, refOf("data.client.forwarded_untrusted")[1:]) == true {
		return "an address behind a proxy that is not trusted"
	}
	return value
}

// hasClaims returns the claims that a condition names.
func hasClaims(wanted any, document ast.Value) any {
	claims := map[string]any{}
	list, _ := wanted.([]any)
	for _, item := range list {
		claim, _ := item.(map[string]any)
		names, _ := claim["path"].([]any)
		path, shown := refOf("data.identity.claims")[1:], ""
		for _, name := range names {
			text, _ := name.(string)
			path = append(path, ast.StringTerm(text))
			if shown != "" {
				shown += "."
			}
			shown += text
		}
		claims[shown] = inputAt(document, path)
	}
	return claims
}

// inputAt returns what is at a path of an input, or nil.
func inputAt(document ast.Value, path ast.Ref) any {
	value, err := document.Find(path)
	if err != nil {
		return nil
	}
	result, err := ast.JSON(value)
	if err != nil {
		return nil
	}
	return result
}
