package pattern

import "strings"

// Rows of tables whose values are in quotes, as of CSV: more says nothing of a message.
const (
	rowValues = 6 // that a row has at least
	rowQuoted = 3 // of them in quotes
)

// quotedRow takes a row of values between commas apart, of which some are in quotes: these
// vary, as values of keys do, but for the one with the most words, which says what happened.
// It reports whether the text is such a row.
func (o *outliner) quotedRow(text string) bool {
	var room [TokensMax]string
	values := room[:0]
	quoted, says, most := 0, -1, 1
	for text != "" {
		value, rest, whole := rowValue(text)
		if !whole {
			return false
		}
		if len(values) == TokensMax {
			break
		}
		if value != "" && value[0] == '"' {
			quoted++
			if n := len(strings.Fields(value)); n > most {
				says, most = len(values), n
			}
		}
		values, text = append(values, value), rest
	}
	if len(values) < rowValues || quoted < rowQuoted {
		return false
	}
	for i, value := range values {
		if len(o.tokens) >= TokensMax {
			o.tokens = append(o.tokens, tail)
			break
		}
		comma := ","
		if i == len(values)-1 {
			comma = ""
		}
		switch {
		case value == "" && len(o.tokens) > 0 && o.tokens[len(o.tokens)-1] == ",":
		case value == "" && comma != "":
			o.tokens = append(o.tokens, comma)
		case value != "" && value[0] == '"' && i != says:
			o.add("\"" + hole + "\"" + comma)
		default:
			o.words(value + comma)
		}
	}
	return true
}

// rowValue returns the first value of a row and what follows its comma. whole is false if
// there are quotes that do not begin and end it.
func rowValue(row string) (value, rest string, whole bool) {
	if row[0] != '"' {
		value, rest, _ = strings.Cut(row, ",")
		return value, rest, strings.IndexByte(value, '"') < 0
	}
	for i := 1; i < len(row); i++ {
		if row[i] != '"' {
			continue
		}
		if i+1 < len(row) && row[i+1] == '"' {
			i++ // stands for one
			continue
		}
		if i+1 < len(row) && row[i+1] != ',' {
			return "", "", false
		}
		return row[:i+1], row[min(i+2, len(row)):], true
	}
	return "", "", false
}
