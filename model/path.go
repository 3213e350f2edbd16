package model

import "strings"

// JoinPath appends a key to a field path, escaping the '.' and '\' in it.
func JoinPath(prefix, key string) string {
	if strings.ContainsAny(key, `.\`) {
		key = strings.NewReplacer(`\`, `\\`, `.`, `\.`).Replace(key)
	}
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}

// SplitPath returns the keys of a field path, unescaped.
func SplitPath(path string) []string {
	if !strings.Contains(path, `\`) {
		return strings.Split(path, ".")
	}
	var keys []string
	var key strings.Builder
	for i := 0; i < len(path); i++ {
		switch {
		case path[i] == '\\' && i+1 < len(path):
			i++
			key.WriteByte(path[i])
		case path[i] == '.':
			keys = append(keys, key.String())
			key.Reset()
		default:
			key.WriteByte(path[i])
		}
	}
	return append(keys, key.String())
}

// QueryName is the name under which a stored path is asked for: the keys
// joined with '.', unescaped. Several paths can have the same query name.
func QueryName(path string) string {
	if !strings.Contains(path, `\`) {
		return path
	}
	return strings.Join(SplitPath(path), ".")
}
