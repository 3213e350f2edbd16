package v1

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// SearchRequest is the body of POST /logs/search. Where two spellings exist the
// more specific one wins: pagination.limit before limit, the top-level
// timeRange before filters.timeRange.
type SearchRequest struct {
	Query      string      `json:"query,omitempty"`
	Filters    Filters     `json:"filters,omitzero"`
	TimeRange  *TimeRange  `json:"timeRange,omitempty"`
	Limit      int         `json:"limit,omitempty"`
	Cursor     string      `json:"cursor,omitempty"`
	Pagination PageRequest `json:"pagination,omitzero"`
	Sort       SortKeys    `json:"sort,omitempty"`
	Facets     []string    `json:"facets,omitempty"`
	Highlight  bool        `json:"highlight,omitempty"`
	Include    bool        `json:"includeContext,omitempty"` // adds to each record those around it
	Explain    bool        `json:"explain,omitempty"`        // also ?explain=true: how it was answered, at what cost
	Global     bool        `json:"global,omitempty"`         // all of the tenant, whatever domain: for admins
	Domains    []string    `json:"domains,omitempty"`        // only records of these domains
	Unknown    []Unknown   `json:"-"`                        // members of the body, and of objects in it, that nobody knows
}

// PageRequest is the part of a request that asks for a page.
type PageRequest struct {
	Limit  int    `json:"limit,omitempty"`
	Page   int    `json:"page,omitempty"`
	Cursor string `json:"cursor,omitempty"`
}

// TimeRange bounds the times of records, both ends included. A time is
// RFC 3339, an epoch in s, ms, µs or ns, or relative to now: "now-1h".
type TimeRange struct {
	Start Moment `json:"start,omitempty"`
	End   Moment `json:"end,omitempty"`
}

// UnmarshalJSON understands both spellings, start/end and startTime/endTime.
func (r *TimeRange) UnmarshalJSON(text []byte) error {
	var all struct{ Start, End, StartTime, EndTime, From, To Moment }
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	first := func(of ...Moment) Moment {
		i := slices.IndexFunc(of, func(m Moment) bool { return m != "" })
		return of[max(i, 0)]
	}
	r.Start, r.End = first(all.Start, all.StartTime, all.From), first(all.End, all.EndTime, all.To)
	return nil
}

// Moment is a time as text; in JSON it may be a number too.
type Moment string

// UnmarshalJSON takes a string, a number or null.
func (m *Moment) UnmarshalJSON(text []byte) error {
	value, err := scalar(text)
	*m = Moment(value)
	return err
}

// Filters are the filters of a search: AND between fields, OR between the
// values of one.
type Filters struct {
	Fields    []Filter
	TimeRange *TimeRange
}

// Filter asks for one of several whole values of a field.
type Filter struct {
	Field  string
	Values []string
}

// IsZero reports whether there is no filter.
func (f Filters) IsZero() bool { return len(f.Fields) == 0 && f.TimeRange == nil }

// MarshalJSON is the inverse of UnmarshalJSON.
func (f Filters) MarshalJSON() ([]byte, error) {
	all := map[string]any{}
	for _, filter := range f.Fields {
		all[filter.Field] = filter.Values
	}
	if f.TimeRange != nil {
		all["timeRange"] = f.TimeRange
	}
	return json.Marshal(all)
}

// UnmarshalJSON takes an object of lists or single values; an object inside
// is a prefix of field names.
func (f *Filters) UnmarshalJSON(text []byte) error {
	*f = Filters{}
	return f.add("", text)
}

// filterDepthMax bounds how deep filters nest.
const filterDepthMax = 32

func (f *Filters) add(prefix string, text []byte) error {
	if strings.Count(prefix, ".") > filterDepthMax {
		return fmt.Errorf("filters nest deeper than %d", filterDepthMax)
	}
	members, err := ordered(text)
	if err != nil {
		return fmt.Errorf("filters%s: %w", prefix, err)
	}
	for _, m := range members {
		name := m.name
		if prefix != "" {
			name = prefix[1:] + "." + name
		}
		switch value := bytes.TrimSpace(m.value); {
		case prefix == "" && m.name == "timeRange":
			if err := json.Unmarshal(value, &f.TimeRange); err != nil {
				return fmt.Errorf("filters.timeRange: %w", err)
			}
		case value[0] == '{':
			if err := f.add(prefix+"."+m.name, value); err != nil {
				return err
			}
		case value[0] == '[':
			var list []json.RawMessage
			if err := json.Unmarshal(value, &list); err != nil {
				return err
			}
			filter := Filter{Field: name}
			for _, item := range list {
				text, err := scalar(item)
				if err != nil {
					return fmt.Errorf("filters.%s: %w", name, err)
				}
				filter.Values = append(filter.Values, text)
			}
			if len(list) > 0 { // an empty list asks for nothing
				f.Fields = append(f.Fields, filter)
			}
		case string(value) == "null":
		default:
			text, err := scalar(value)
			if err != nil {
				return fmt.Errorf("filters.%s: %w", name, err)
			}
			f.Fields = append(f.Fields, Filter{Field: name, Values: []string{text}})
		}
	}
	return nil
}

// SortKeys are the fields by which records are sorted.
type SortKeys []SortKey

// SortKey is one of them; Order is "asc" or "desc".
type SortKey struct {
	Field string `json:"field"`
	Order string `json:"order,omitempty"`
}

// UnmarshalJSON takes one key, a list of keys or the name of a field.
func (s *SortKeys) UnmarshalJSON(text []byte) error {
	text = bytes.TrimSpace(text)
	switch {
	case len(text) > 0 && text[0] == '[':
		var list []json.RawMessage
		if err := json.Unmarshal(text, &list); err != nil {
			return err
		}
		for _, item := range list {
			var one SortKeys
			if err := one.UnmarshalJSON(item); err != nil {
				return err
			}
			*s = append(*s, one...)
		}
		return nil
	case len(text) > 0 && text[0] == '"':
		var name string
		if err := json.Unmarshal(text, &name); err != nil {
			return err
		}
		*s = SortKeys{{Field: name}}
		return nil
	case string(text) == "null":
		return nil
	}
	var key SortKey
	if err := json.Unmarshal(text, &key); err != nil {
		return err
	}
	*s = SortKeys{key}
	return nil
}

type member struct {
	name  string
	value json.RawMessage
}

// ordered returns the members of an object in their order.
func ordered(text []byte) ([]member, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.New("want an object")
	}
	var members []member
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		members = append(members, member{name, value})
	}
	return members, nil
}

// scalar returns the text of a string, number or boolean, "" for null.
func scalar(text []byte) (string, error) {
	text = bytes.TrimSpace(text)
	switch {
	case len(text) == 0, string(text) == "null":
		return "", nil
	case text[0] == '"':
		var s string
		err := json.Unmarshal(text, &s)
		return s, err
	case text[0] == '{', text[0] == '[':
		return "", errors.New("want a string, number or boolean")
	}
	return string(text), nil
}

// SavedQuery is a query that a tenant has given a name.
type SavedQuery struct {
	Name        string    `json:"name"`
	Query       string    `json:"query"`
	Description string    `json:"description,omitempty"`
	By          string    `json:"savedBy,omitempty"`
	Created     time.Time `json:"createdAt"`
	Changed     time.Time `json:"changedAt"`
}
