package authenticator

import (
	"encoding/json"
	"slices"
	"testing"
)

// S-10: the list of unknown fields is always there, and it names fields of an
// identity only.
func TestS10UnknownIsAlwaysThere(t *testing.T) {
	for name, id := range map[string]*Identity{"anonymous": Anonymous(), "normalized": new(Identity).Normalize()} {
		if id.Unknown == nil {
			t.Errorf("%s: unknown is nil", name)
		}
	}
	encoded, err := json.Marshal(Anonymous())
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(encoded, &members); err != nil {
		t.Fatal(err)
	}
	if list, ok := members["unknown"].([]any); !ok || len(list) != 0 {
		t.Errorf("unknown is %v", members["unknown"])
	}
	for _, name := range UnknownFields() {
		if _, found := members[name]; !found {
			t.Errorf("%s is no field", name)
		}
	}
	if !slices.IsSorted(UnknownFields()) {
		t.Error("the names are not sorted")
	}
}
