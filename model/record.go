package model

// Kind is the JSON type of a value.
type Kind uint8

// The kinds. The numbers are part of the block and segment formats
// (docs/format.md) and never change.
const (
	String Kind = 1 // text, unescaped
	Number Kind = 2 // the number's JSON text, digit for digit
	Bool   Kind = 3 // "true" or "false"
	Null   Kind = 4 // ""
	JSON   Kind = 5 // verbatim compact JSON: an array or an empty object
)

// String returns the kind's name as it appears in query answers.
func (k Kind) String() string {
	switch k {
	case String:
		return "string"
	case Number:
		return "number"
	case Bool:
		return "bool"
	case Null:
		return "null"
	case JSON:
		return "json"
	}
	return "unknown"
}

// Valid reports whether k is one of the declared kinds.
func (k Kind) Valid() bool { return k >= String && k <= JSON }

// Field is one leaf of a record.
type Field struct {
	Name string // path, see JoinPath
	Kind Kind
	Text string
}

// Record is one log event. Fields keep the order in which they came; a name
// occurs once per record. The consumed timestamp is not a field: it is Time
// and TimeDigits. A normalised value (level, timestamp in another form) has
// its original under OriginalPrefix.
type Record struct {
	Time       int64 // Unix nanoseconds, UTC
	TimeDigits uint8 // fraction digits of the timestamp as sent, 0 to 9
	Fields     []Field
}

// Get returns the value of the field with this (escaped) name.
func (r *Record) Get(name string) (Field, bool) {
	for _, f := range r.Fields {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// Names with a meaning of their own.
const (
	FieldMessage   = "message"
	FieldLevel     = "level"
	FieldSeverity  = "severity"
	FieldComponent = "component"
	FieldTimestamp = "timestamp"
	FieldID        = "_id" // in queries and answers only, never stored
	// FieldPattern is the record's pattern: its message with the parts that vary
	// left out. It is derived, not stored.
	FieldPattern = "_pattern"
	// FieldLearned and FieldLearnedID are the pattern that was learned of messages
	// like this one, and its id.
	FieldLearned   = "pattern"
	FieldLearnedID = "pattern_id"

	// OriginalPrefix + name holds the value as sent of a field that Stere
	// normalised: "_original.level", "_original.timestamp".
	OriginalPrefix = "_original."
)
