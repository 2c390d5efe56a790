package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisioncache"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// tableParts are what an access table reads of a request.
var tableParts = request.NewFieldSet(func(path string) bool { return tableReads[path] }, nil, accesstable.Headers())

var tableReads = decisioncache.ReadSet{
	"request.method": true, "request.host": true, "request.path": true, "request.path_folded": true,
	"request.rewritten_path": true, "request.destination_path": true, "request.destination_host": true,
	"request.query": true, "request.header_values": true, "request.upgrade": true, "request.mcp": true, "request.time_ns": true,
	"client.ip": true, "client.peer_ip": true, "client.forwarded_untrusted": true,
	"identity.authenticated": true, "identity.kind": true, "identity.id": true, "identity.username": true, "identity.issuer": true, "identity.method": true,
	"identity.roles": true, "identity.groups": true, "identity.scopes": true, "identity.claims": true, "identity.acr": true, "identity.auth_time": true, "identity.unknown": true,
}

// decideByTable decides about one reading by the access table, without Rego.
func (s *snapshot) decideByTable(q *question, reading *request.Reading) (answer decision.Decision) {
	defer recovered(&answer)
	if err := q.ctx.Err(); err != nil || q.elapsed > q.timeout {
		return timedOut("the client disconnected, or the readings of its path took longer than its timeout")
	}
	if len(q.in.Request.Readings()) > 1 { // one costs less than reading the clock
		defer q.spend(time.Now())
	}
	room, _ := scratches.Get().(*scratch)
	defer room.free()
	room.document.Identity = q.in.Identity
	q.in.Request.FillDocument(&room.document, reading, tableParts)
	room.question.Document, room.question.AnyMessage = &room.document, q.anyMessage
	answer = decisionOf(s.table.Judge(&room.question))
	return answer
}

// spend counts the time since start as spent on the question.
func (q *question) spend(start time.Time) { q.elapsed += time.Since(start) }

// decideDocument decides about an input that is a document.
func (s *snapshot) decideDocument(document ast.Value) (answer decision.Decision) {
	defer recovered(&answer)
	question, err := questionOf(document)
	if err != nil {
		return decision.Failed(err)
	}
	return decisionOf(s.table.Judge(question))
}

// questionOf reads a document as an access table does.
func questionOf(document ast.Value) (*accesstable.Question, error) {
	native, err := ast.JSON(document)
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	whole, _ := native.(map[string]any)
	encoded, err := json.Marshal(map[string]any{
		"request": readOf(whole, "request"), "client": readOf(whole, "client"), "identity": readOf(whole, "identity"),
	})
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	read := &request.Document{}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	if err := decoder.Decode(read); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	return &accesstable.Question{Document: read}, nil
}

// readOf returns what an access table reads of a section of a document. The rest may
// have any form.
func readOf(document map[string]any, section string) map[string]any {
	members, _ := document[section].(map[string]any)
	read := map[string]any{}
	for name, value := range members {
		if tableReads[section+"."+name] {
			read[name] = plainInteger(value)
		}
	}
	return read
}

// plainInteger returns an integer that is written with a fraction or an exponent, as
// programs write large numbers, in plain digits. Other values stay as they are.
func plainInteger(value any) any {
	number, ok := value.(json.Number)
	if !ok {
		return value
	}
	float, _, err := big.ParseFloat(string(number), 10, 64, big.ToNearestEven)
	if err != nil || !float.IsInt() {
		return value
	}
	integer, exact := float.Int64()
	if exact != big.Exact {
		return value
	}
	return integer
}

// decisionOf returns a table's verdict as a decision.
func decisionOf(v accesstable.Verdict) decision.Decision {
	d := decision.Decision{Allow: v.Allow, Labels: v.Labels}
	if v.Allow {
		return d
	}
	d.Reason, d.Codes = authenticator.ReasonPolicyDenied, v.Reasons
	if c := v.Challenge; c != nil {
		d.Challenge = &decision.Challenge{Scopes: c.Scopes, ACRValues: c.ACRValues, MaxAge: c.MaxAge}
	}
	if !v.Challenge.SignIn() {
		d.Login = &decision.Login{Offered: v.Login}
	}
	return d
}

// valueOf returns the value of a decision, nil if it is undefined. For an access table it
// is what a policy would have written.
func (s *snapshot) valueOf(d decision.Decision) ast.Value {
	if !s.native || len(d.Labels) == 0 { // every decision of a table has labels
		return d.Value
	}
	labels := make(map[string]any, len(d.Labels))
	for name, label := range d.Labels {
		labels[name] = label
	}
	value := map[string]any{"allow": d.Allow, "log": map[string]any{"labels": labels}}
	if !d.Allow {
		value["reasons"] = d.Codes
	}
	if d.Login != nil {
		value["login"] = d.Login.Offered
	}
	if d.Challenge != nil {
		value["challenge"] = challengeValue(d.Challenge)
	}
	return ast.MustInterfaceToValue(value)
}

// challengeValue returns a challenge as a policy would have written it.
func challengeValue(c *decision.Challenge) map[string]any {
	value := map[string]any{}
	if len(c.Scopes) > 0 {
		value["scope"] = c.Scopes
	}
	if len(c.ACRValues) > 0 {
		value["acr_values"] = c.ACRValues
	}
	if c.MaxAge >= 0 {
		value["max_age"] = c.MaxAge
	}
	return value
}
