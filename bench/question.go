package bench

// Kind says what a question's answer looks like.
type Kind int

// The kinds of answers.
const (
	Newest    Kind = iota // the newest records, up to Limit
	Count                 // the number of records
	CountBy               // the number of records by GroupBy
	PerMinute             // the number of records in each minute
	Top                   // the Limit most frequent values of GroupBy
	Distinct              // how many different values Field has
	P99By                 // the 99th percentile of the number Field by GroupBy
)

// String returns the kind's name.
func (k Kind) String() string {
	return [...]string{"newest", "count", "count by", "per minute", "top", "distinct", "p99 by"}[k]
}

// Question is one question with its meaning.
type Question struct {
	Number  int
	Name    string
	Kind    Kind
	Where   Condition
	GroupBy string
	Field   string
	Limit   int
	// From and To bound the times, half open; both 0 mean all.
	From, To int64
	// Detail is the concrete words, for people.
	Detail string
	// Missing says why the corpus has no such question; then nothing is asked.
	Missing string
}

// newestLimit is how many records the questions for records ask for.
const newestLimit = 100

// topLimit is how many values a Top question asks for.
const topLimit = 10

// Questions are the thirteen questions, with the words that the survey chose.
func Questions(s *Survey) []Question {
	level := Equals{Field: FieldLevel, Value: s.ErrorLevel}
	questions := []Question{
		{Name: "unique id", Kind: Newest, Limit: newestLimit, Where: Equals{Field: traceField, Value: s.TraceID}, Detail: s.TraceID, Missing: missing(s.TraceID, "no metadata.trace_id")},
		{Name: "rare phrase", Kind: Newest, Limit: newestLimit, Where: Phrase{Text: s.Phrase}, Detail: s.Phrase, Missing: missing(s.Phrase, "no rare phrase")},
		{Name: "frequent word, newest 100", Kind: Newest, Limit: newestLimit, Where: Word{Text: s.Frequent}, Detail: s.Frequent, Missing: missing(s.Frequent, "no frequent word")},
		{Name: "level and component, newest 100", Kind: Newest, Limit: newestLimit, Where: All{Of: []Condition{level, Equals{Field: FieldComponent, Value: s.ErrorComponent}}}, Detail: s.ErrorLevel + ", " + s.ErrorComponent, Missing: missing(s.ErrorComponent, "no level with a component")},
		{Name: "boolean with NOT, count", Kind: Count, Where: All{Of: []Condition{level, Any{Of: []Condition{Word{Text: s.Either}, Word{Text: s.Or}}}, None{Of: Word{Text: s.Not}}}}, Detail: s.ErrorLevel + " and (" + s.Either + " or " + s.Or + ") and not " + s.Not, Missing: missing(s.Not, "too few words")},
		{Name: "count by level", Kind: CountBy, Where: Everything{}, GroupBy: FieldLevel},
		{Name: "errors per minute", Kind: PerMinute, Where: level, Detail: s.ErrorLevel, Missing: missing(s.ErrorLevel, "no level")},
		{Name: "top 10 components", Kind: Top, Where: Everything{}, GroupBy: FieldComponent, Limit: topLimit},
		{Name: "regex on message, count", Kind: Count, Missing: "no word with a number"},
		{Name: "prefix, count", Kind: Count, Where: Prefix{Text: s.Prefix}, Detail: s.Prefix + "*", Missing: missing(s.Prefix, "no prefix")},
		{Name: "word in 1 % of the time, newest 100", Kind: Newest, Limit: newestLimit, Where: Word{Text: s.WindowWord}, From: s.WindowFrom, To: s.WindowTo, Detail: s.WindowWord + " from " + formatTime(s.WindowFrom), Missing: missing(s.WindowWord, "no second word")},
		{Name: "distinct of a field", Kind: Distinct, Where: Everything{}, Field: s.TextField, Detail: s.TextField, Missing: missing(s.TextField, "no text field in metadata")},
		{Name: "p99 of a number by component", Kind: P99By, Where: Everything{}, Field: s.NumberField, GroupBy: FieldComponent, Detail: s.NumberField, Missing: missing(s.NumberField, "no number in metadata")},
	}
	if s.Pattern.Regexp != nil {
		q := &questions[8]
		q.Where, q.Detail, q.Missing = s.Pattern, s.Pattern.Regexp.String(), ""
	}
	for i := range questions {
		questions[i].Number = i + 1
	}
	return questions
}

func missing(value, reason string) string {
	if value == "" {
		return reason
	}
	return ""
}
