package policy

import (
	"context"
	"encoding/json"
)

// Documents returns the input documents for a request, one for each reading of its path,
// without credentials. The body is read if the decision reads it.
func (s *Engine) Documents(in Input) ([]json.RawMessage, error) {
	defer in.Request.ReleaseBody()
	current := s.live.Load()
	if current.readBody(&question{ctx: context.Background(), in: in, timeout: s.config.Timeout, readsMCP: current.readsMCP(in)}) != nil {
		in.Request.WithholdBody()
	}
	var documents []json.RawMessage
	readings := in.Request.Readings()
	for i := range readings {
		document, err := s.logInput(in, &readings[i]).Document()
		if err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
	return documents, nil
}
