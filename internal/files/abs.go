package files

import "path/filepath"

// Abs returns the absolute form of a path for messages, or the path itself if the working
// directory is not known.
func Abs(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

// AbsAll returns the absolute form of each path.
func AbsAll(paths []string) []string {
	result := make([]string, len(paths))
	for i, path := range paths {
		result[i] = Abs(path)
	}
	return result
}
