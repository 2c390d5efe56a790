package observe

import (
	"encoding/json"
	"maps"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Decision writes one line of the decision log, at debug, so that it is there
// only if the log is enabled. The entry is made only then; its JSON members
// become the line's fields.
func Decision(logger *zap.Logger, entry func() (any, bool)) {
	line := logger.Check(zapcore.DebugLevel, "decision")
	if line == nil {
		return
	}
	content, ok := entry()
	if !ok {
		return
	}
	line.Write(members(content)...)
}

// members returns the members of what encodes to a JSON object, by name.
func members(content any) []zap.Field {
	encoded, err := json.Marshal(content)
	if err != nil {
		return []zap.Field{zap.Error(err)}
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &object); err != nil {
		return []zap.Field{zap.Error(err)}
	}
	var fields []zap.Field
	for _, name := range slices.Sorted(maps.Keys(object)) {
		fields = append(fields, zap.Reflect(name, object[name]))
	}
	return fields
}
