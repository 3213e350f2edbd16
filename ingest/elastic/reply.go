package elastic

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stere-log/stere/model"
)

// Error is the answer to a request that is refused as a whole.
type Error struct {
	Status int
	Type   string
	Reason string
}

// Error implements error.
func (e *Error) Error() string { return e.Reason }

// Body returns the answer's body.
func (e *Error) Body() []byte {
	cause := appendString([]byte(`{"type":`), e.Type)
	cause = append(cause, `,"reason":`...)
	cause = appendString(cause, e.Reason)
	return fmt.Appendf(nil, `{"error":{"root_cause":[%s}],%s},"status":%d}`, cause, cause[1:], e.Status)
}

// fields says which members of an item an answer has. The status is always
// there: no shipper can do without.
type fields struct {
	took, where, version, result, shards, sequence, term, err bool
}

// AppendReply appends the answer to a request whose records are stored: id
// gives the id of the i-th of Request.Records. FilterPath is the parameter
// filter_path, unescaped, "" for none.
func AppendReply(dst []byte, r Request, id func(i int) model.RecordID, took time.Duration, filterPath string) []byte {
	show := parseFilter(filterPath)
	dst = append(dst, '{')
	if show.took {
		dst = append(dst, `"took":`...)
		dst = strconv.AppendInt(dst, max(0, took.Milliseconds()), 10)
		dst = append(dst, ',')
	}
	dst = append(dst, `"errors":`...)
	dst = strconv.AppendBool(dst, r.refused > 0)
	dst = append(dst, `,"items":[`...)
	for i := range r.items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendItem(dst, &r.items[i], id, show)
	}
	return append(dst, "]}"...)
}

func appendItem(dst []byte, it *item, id func(int) model.RecordID, show fields) []byte {
	dst = append(dst, `{"`...)
	dst = append(dst, it.action.String()...)
	dst = append(dst, `":{`...)
	var place model.RecordID
	if it.record != noRecord {
		place = id(it.record)
	}
	if show.where {
		dst = append(dst, `"_index":`...)
		dst = appendString(dst, it.index)
		dst = append(dst, `,"_id":`...)
		switch {
		case it.id != "":
			dst = appendString(dst, it.id)
		case it.record != noRecord:
			dst = append(dst, '"')
			dst = place.Append(dst)
			dst = append(dst, '"')
		default:
			dst = append(dst, `""`...)
		}
		dst = append(dst, ',')
	}
	if it.reason != "" {
		dst = append(dst, `"status":400`...)
		if show.err {
			dst = append(dst, `,"error":{"type":`...)
			dst = appendString(dst, cmp.Or(it.kind, "document_parsing_exception"))
			dst = append(dst, `,"reason":`...)
			dst = appendString(dst, it.reason)
			dst = append(dst, '}')
		}
		return append(dst, "}}"...)
	}
	if show.version {
		dst = append(dst, `"_version":1,`...)
	}
	result, status := "created", "201"
	if it.record == noRecord {
		result, status = "not_found", "404"
	}
	if show.result {
		dst = append(dst, `"result":"`...)
		dst = append(dst, result...)
		dst = append(dst, `",`...)
	}
	if show.shards {
		dst = append(dst, `"_shards":{"total":1,"successful":1,"failed":0},`...)
	}
	if show.sequence {
		dst = append(dst, `"_seq_no":`...)
		dst = strconv.AppendUint(dst, place.Index, 10)
		dst = append(dst, ',')
	}
	if show.term {
		dst = append(dst, `"_primary_term":1,`...)
	}
	dst = append(dst, `"status":`...)
	dst = append(dst, status...)
	return append(dst, "}}"...)
}

// filtersMax bounds the paths of a filter; more mean no filter.
const filtersMax = 64

// parseFilter reads filter_path: paths separated by commas, with '*' for part
// of a name and "**" for any number of names. What it does not understand
// (exclusions, unknown names) leaves more in the answer, never less.
func parseFilter(filter string) fields {
	all := fields{true, true, true, true, true, true, true, true}
	if strings.TrimSpace(filter) == "" || strings.Count(filter, ",") >= filtersMax {
		return all
	}
	show := fields{}
	for path := range strings.SplitSeq(filter, ",") {
		names := strings.Split(strings.TrimSpace(path), ".")
		switch {
		case strings.HasPrefix(path, "-"), names[0] == "**", names[0] == "*" && len(names) == 1:
			return all
		case matches(names[0], "took"):
			show.took = true
		case matches(names[0], "items") && len(names) <= 2:
			took := show.took
			show = all
			show.took = took
		}
		if !matches(names[0], "items") || len(names) < 3 {
			continue
		}
		member := names[2]
		for _, known := range []struct {
			name string
			flag *bool
		}{
			{"_index", &show.where}, {"_id", &show.where}, {"_version", &show.version}, {"result", &show.result},
			{"_shards", &show.shards}, {"_seq_no", &show.sequence}, {"_primary_term", &show.term}, {"error", &show.err},
		} {
			*known.flag = *known.flag || matches(member, known.name)
		}
	}
	// Who asks for errors only still needs to know what the errors are.
	show.err = true
	return show
}

// matches reports whether a pattern with at most one '*' (or "**") describes
// the name.
func matches(pattern, name string) bool {
	before, after, starred := strings.Cut(strings.ReplaceAll(pattern, "**", "*"), "*")
	if !starred {
		return pattern == name
	}
	return len(name) >= len(before)+len(after) && strings.HasPrefix(name, before) && strings.HasSuffix(name, after)
}

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		i++
	}
	return append(dst, '"')
}
