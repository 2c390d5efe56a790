package users

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// convertClaims converts decoded YAML to what decoding JSON returns, with numbers
// as json.Number. The result is never nil.
func convertClaims(values map[string]any) (map[string]any, error) {
	claims := make(map[string]any, len(values)+1)
	for name, value := range values {
		converted, err := convertClaim(value)
		if err != nil {
			return nil, err
		}
		claims[name] = converted
	}
	return claims, nil
}

func convertClaim(value any) (any, error) {
	switch v := value.(type) {
	case nil, string, bool:
		return v, nil
	case int:
		return json.Number(strconv.Itoa(v)), nil
	case uint64:
		return json.Number(strconv.FormatUint(v, 10)), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, errClaims
		}
		return json.Number(strconv.FormatFloat(v, 'g', -1, 64)), nil
	case time.Time:
		return v.Format(time.RFC3339), nil
	case map[string]any:
		return convertClaims(v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			converted, err := convertClaim(item)
			if err != nil {
				return nil, err
			}
			list[i] = converted
		}
		return list, nil
	}
	return nil, errClaims
}
