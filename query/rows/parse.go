package rows

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/expr"
)

// Parse takes the fields out of a text in a format. A text that is not in the
// format changes nothing.
type Parse struct {
	From string
	JSON bool // else logfmt
}

// parseDepth is how deep objects are taken apart; what is deeper stays JSON.
const parseDepth = 32

// Apply implements Op.
func (o *Parse) Apply(row *Row) bool {
	from := row.Get(o.From)
	switch {
	case from.Kind != expr.Text && from.Kind != expr.JSON:
	case o.JSON:
		parseJSON(row, from.Text)
	default:
		parseLogfmt(row, from.Text)
	}
	return true
}

// Back implements Op: any name may come out of the text.
func (o *Parse) Back(want *Names) (matters bool) {
	for name := range *want {
		matters = matters || name != NameTime && name != NameID
	}
	if matters {
		want.Add(o.From)
	}
	return matters
}

// put sets a field that was in a text. The time and id of a record are its own.
func put(row *Row, path string, v expr.Value) {
	name := model.QueryName(path)
	switch name {
	case NameTime, NameID, "":
		return
	case model.FieldSeverity:
		name, path = model.FieldLevel, model.FieldLevel
	}
	row.Set(name, v)
	if strings.Contains(path, `\`) {
		for i := range row.Fields {
			if row.Fields[i].Name == name {
				row.Fields[i].path = path
			}
		}
	}
}

// parseJSON sets the fields of a JSON object.
func parseJSON(row *Row, text string) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "{") || !json.Valid([]byte(text)) {
		return
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if _, err := decoder.Token(); err == nil {
		parseObject(row, decoder, "", 1)
	}
}

// parseObject sets the members of an object of which the brace is read. The
// text is known to be valid.
func parseObject(row *Row, decoder *json.Decoder, prefix string, depth int) {
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return
		}
		var member json.RawMessage
		if err := decoder.Decode(&member); err != nil {
			return
		}
		path := model.JoinPath(prefix, key.(string))
		if v, ok := memberValue(member); ok {
			put(row, path, v)
			continue
		}
		if member[0] == '{' && len(bytes.TrimSpace(member[1:])) > 1 && depth < parseDepth {
			inner := json.NewDecoder(bytes.NewReader(member))
			inner.UseNumber()
			if _, err := inner.Token(); err == nil {
				parseObject(row, inner, path, depth+1)
			}
			continue
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, member); err == nil {
			put(row, path, expr.Value{Kind: expr.JSON, Text: compact.String()})
		}
	}
}

// memberValue returns the value of a member that is no object or array.
func memberValue(member json.RawMessage) (v expr.Value, ok bool) {
	switch member[0] {
	case '{', '[':
		return v, false
	case '"':
		var text string
		if err := json.Unmarshal(member, &text); err != nil {
			return v, true
		}
		return expr.OfText(text), true
	case 't', 'f':
		return expr.OfBool(member[0] == 't'), true
	case 'n':
		return v, true
	}
	return expr.OfField(model.Number, string(member)), true
}

// parseLogfmt sets the fields of key=value pairs. Words without a = are left
// out.
func parseLogfmt(row *Row, text string) {
	for rest := strings.TrimLeft(text, " \t"); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		end := strings.IndexAny(rest, " \t=")
		if end < 0 {
			return
		}
		key := rest[:end]
		if rest[end] != '=' {
			rest = rest[end:]
			continue
		}
		rest = rest[end+1:]
		if strings.HasPrefix(rest, `"`) {
			if quoted, err := strconv.QuotedPrefix(rest); err == nil {
				value, err := strconv.Unquote(quoted)
				if err == nil && key != "" {
					put(row, key, expr.OfText(value))
				}
				rest = rest[len(quoted):]
				continue
			}
		}
		value := rest
		if end := strings.IndexAny(rest, " \t"); end >= 0 {
			value = rest[:end]
		}
		rest = rest[len(value):]
		if key != "" {
			put(row, key, bareValue(value))
		}
	}
}

// bareValue returns what a text without quotes means.
func bareValue(text string) expr.Value {
	switch text {
	case "true", "false":
		return expr.OfBool(text == "true")
	}
	if _, ok := index.ParseNumber(text); ok && json.Valid([]byte(text)) {
		return expr.OfField(model.Number, text)
	}
	return expr.OfText(text)
}
