package v1

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Unknown is a member of an object of a request that nobody knows.
type Unknown struct {
	In    string // the object, "body" for the outermost
	Name  string
	Known []string // the members that there are
}

// MemberError says which member of a request has a value of another kind than it
// must have.
type MemberError struct{ Member, Message string }

// Error implements error.
func (e *MemberError) Error() string { return e.Member + ": " + e.Message }

// The members of the objects of a search.
var (
	searchMembers = []string{"query", "filters", "timeRange", "limit", "cursor", "pagination", "sort", "facets", "highlight", "includeContext", "explain", "global", "domains"}
	pageMembers   = []string{"limit", "page", "cursor"}
	timeMembers   = []string{"start", "end", "startTime", "endTime", "from", "to"}
	sortMembers   = []string{"field", "order"}
)

// DecodeSearch reads the body of a search. What nobody knows is named in Unknown: a
// bound or a filter that is silently ignored would answer another question.
func DecodeSearch(body []byte) (SearchRequest, error) {
	var r SearchRequest
	if len(bytes.TrimSpace(body)) == 0 {
		return r, nil
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return r, decodeError(err)
	}
	members, err := ordered(body)
	if err != nil {
		return r, fmt.Errorf("read search request: %w", err)
	}
	r.unknown("body", members, searchMembers)
	for _, m := range members {
		switch m.name {
		case "timeRange":
			r.inside(m.name, m.value, timeMembers)
		case "pagination":
			r.inside(m.name, m.value, pageMembers)
		case "sort":
			r.inside(m.name, m.value, sortMembers)
		case "filters":
			filters, _ := ordered(m.value) // null has none; what is wrong was found before
			for _, f := range filters {
				if f.name == "timeRange" {
					r.inside("filters.timeRange", f.value, timeMembers)
				}
			}
		}
	}
	return r, nil
}

// unknown notes the members of an object that are none of known.
func (r *SearchRequest) unknown(in string, members []member, known []string) {
	for _, m := range members {
		if !slices.Contains(known, m.name) {
			r.Unknown = append(r.Unknown, Unknown{in, m.name, known})
		}
	}
}

// inside looks into an object, or the objects of a list; other values have no members.
func (r *SearchRequest) inside(in string, value json.RawMessage, known []string) {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) != nil {
		list = []json.RawMessage{value}
	}
	for _, item := range list {
		if members, err := ordered(item); err == nil {
			r.unknown(in, members, known)
		}
	}
}

// decodeError says in the words of JSON what was read and what is wanted.
func decodeError(err error) error {
	var kind *json.UnmarshalTypeError
	if !errors.As(err, &kind) {
		return fmt.Errorf("read search request: %w", err)
	}
	if kind.Field == "" {
		return fmt.Errorf("read search request: %s stands where %s is wanted", kind.Value, wanted(kind.Type))
	}
	return &MemberError{kind.Field, Mismatch(kind)}
}

// Mismatch says in the words of JSON what a member of a request is and what it must be.
func Mismatch(kind *json.UnmarshalTypeError) string {
	have := "a " + kind.Value
	if kind.Value == "array" || kind.Value == "object" {
		have = "an " + kind.Value
	}
	return fmt.Sprintf("is %s, want %s", have, wanted(kind.Type))
}

// wanted says what stands for a type in JSON.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	}
	return "an object"
}
