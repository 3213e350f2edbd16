package pipeline

// Member returns the bounds of the value of a key of the object at s[at], found
// without checking the rest of the object. The key is compared as written, so
// it must not need escapes. An object that is no JSON has no members.
func Member(s string, at int, key string) (start, end int, ok bool) {
	if at >= len(s) || s[at] != '{' {
		return 0, 0, false
	}
	for i := space(s, at+1); i < len(s) && s[i] == '"'; {
		closing := skipString(s, i+1)
		if closing < 0 {
			return 0, 0, false
		}
		name := s[i+1 : closing]
		if i = space(s, closing+1); i >= len(s) || s[i] != ':' {
			return 0, 0, false
		}
		start = space(s, i+1)
		if end = skipValue(s, start); end < 0 {
			return 0, 0, false
		}
		if name == key {
			return start, end, true
		}
		if i = space(s, end); i >= len(s) || s[i] != ',' {
			return 0, 0, false
		}
		i = space(s, i+1)
	}
	return 0, 0, false
}

// skipValue returns the offset after the value at s[at], or -1.
func skipValue(s string, at int) int {
	if at >= len(s) {
		return -1
	}
	switch s[at] {
	case '{', '[':
		return Skip(s, at)
	case '"':
		end := skipString(s, at+1)
		if end < 0 {
			return -1
		}
		return end + 1
	}
	for i := at; i < len(s); i++ {
		switch s[i] {
		case ',', '}', ']', ' ', '\t', '\r', '\n':
			return i
		}
	}
	return len(s)
}
