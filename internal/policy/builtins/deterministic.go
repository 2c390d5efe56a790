package builtins

import "strings"

// Deterministic reports whether the result of a built-in function depends on its
// arguments alone. The list is our own, because OPA does not mark all functions that
// read the clock as nondeterministic. A function that is not in it does not count.
func Deterministic(name string) bool { return deterministic[name] }

var deterministic = wordSet(`
eq equal neq lt lte gt gte assign internal.member_2 internal.member_3 internal.template_string
plus minus mul div rem abs ceil floor round and or minus intersection union
array.concat array.flatten array.reverse array.slice
count max min product sort sum any all
concat contains endswith format_int indexof indexof_n lower replace split sprintf startswith strings.any_prefix_match
strings.any_suffix_match strings.count strings.replace_n strings.reverse substring trim trim_left trim_prefix trim_right
trim_space trim_suffix upper
regex.find_all_string_submatch_n regex.find_n regex.globs_match regex.is_valid regex.match regex.replace regex.split
regex.template_match re_match glob.match glob.quote_meta
is_array is_boolean is_null is_number is_object is_set is_string type_name to_number cast_array cast_boolean cast_null
cast_object cast_set cast_string
object.filter object.get object.keys object.remove object.subset object.union object.union_n walk
json.filter json.is_valid json.marshal json.marshal_with_options json.patch json.remove json.unmarshal yaml.is_valid
yaml.marshal yaml.unmarshal
base64.decode base64.encode base64.is_valid base64url.decode base64url.encode base64url.encode_no_pad hex.decode hex.encode
urlquery.decode urlquery.decode_object urlquery.encode urlquery.encode_object
bits.and bits.lsh bits.negate bits.or bits.rsh bits.xor numbers.range numbers.range_step units.parse units.parse_bytes
net.cidr_contains net.cidr_contains_matches net.cidr_expand net.cidr_intersects net.cidr_is_valid net.cidr_merge net.cidr_overlap
crypto.hmac.equal crypto.hmac.md5 crypto.hmac.sha1 crypto.hmac.sha256 crypto.hmac.sha512 crypto.md5 crypto.sha1 crypto.sha256
graph.reachable graph.reachable_paths semver.compare semver.is_valid uuid.parse io.jwt.decode
time.parse_duration_ns time.parse_rfc3339_ns
`)

func wordSet(text string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(text) {
		set[word] = true
	}
	return set
}
