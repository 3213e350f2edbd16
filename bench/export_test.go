package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// StereQuery gives tests the rendered query.
func StereQuery(q Question) string { return stereQuery(q) }

// StereRange gives tests the range of time as it is sent.
func StereRange(q Question) string {
	if q.To == 0 {
		return ""
	}
	return formatTime(q.From) + formatTime(q.To-1)
}

// naiveLine is a line of the corpus as encoding/json sees it.
type naiveLine struct {
	Timestamp                 time.Time
	Message, Level, Component string
	Metadata                  map[string]any
}

// NaiveAnswer answers a question as Stere would, by decoding the corpus with
// encoding/json and without the accumulators of Truth.
func NaiveAnswer(t *testing.T, c *Corpus, q Question) string {
	t.Helper()
	text, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	rest := string(text)
	var lines []naiveLine
	err = c.Records(t.Context(), func(_ int64, r *Record) error {
		var raw string
		raw, rest, _ = strings.Cut(rest, "\n")
		if !q.Where.Matches(r) || q.To != 0 && (r.Time < q.From || r.Time >= q.To) {
			return nil
		}
		var l naiveLine
		if err := json.Unmarshal([]byte(raw), &l); err != nil {
			return err
		}
		lines = append(lines, l)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var data any
	switch q.Kind {
	case Newest:
		slices.SortStableFunc(lines, func(a, b naiveLine) int { return b.Timestamp.Compare(a.Timestamp) })
		data = lines[:min(len(lines), q.Limit)]
		// The record's names are lower case.
		out, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		return `{"success":true,"data":` + strings.NewReplacer(`"Timestamp"`, `"timestamp"`, `"Message"`, `"message"`).Replace(string(out)) + `,"pagination":{"searchMeta":{"complete":true}}}`
	case Count:
		data = [][]any{{len(lines)}}
	case Distinct:
		seen := map[any]bool{}
		for _, l := range lines {
			if v, ok := l.Metadata[strings.TrimPrefix(q.Field, metadataPrefix)]; ok {
				seen[v] = true
			}
		}
		data = [][]any{{len(seen)}}
	default:
		data = naiveGroups(q, lines)
	}
	out, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"success":true,"data":{"columns":[],"rows":%s},"pagination":{"searchMeta":{"complete":true}}}`, out)
}

func naiveGroups(q Question, lines []naiveLine) [][]any {
	members := map[string][]float64{}
	for _, l := range lines {
		key := map[string]string{FieldLevel: l.Level, FieldComponent: l.Component}[q.GroupBy]
		if q.Kind == PerStep {
			key = l.Timestamp.UTC().Truncate(time.Minute).Format(time.RFC3339)
		}
		value := 0.0
		if q.Kind == P99By {
			v, ok := l.Metadata[strings.TrimPrefix(q.Field, metadataPrefix)].(float64)
			if !ok {
				continue
			}
			value = v
		}
		members[key] = append(members[key], value)
	}
	var rows [][]any
	for key, values := range members {
		var group any = key
		if key == "" {
			group = nil
		}
		if q.Kind == P99By {
			slices.Sort(values)
			rows = append(rows, []any{group, values[int(math.Ceil(0.99*float64(len(values))))-1]})
			continue
		}
		rows = append(rows, []any{group, float64(len(values))})
	}
	slices.SortFunc(rows, func(a, b []any) int { return cmp.Compare(b[1].(float64), a[1].(float64)) })
	if q.Kind == Top {
		rows = rows[:min(len(rows), q.Limit)]
	}
	return rows
}
