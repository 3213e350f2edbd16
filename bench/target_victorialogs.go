package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// victoriaLogs is the target "victorialogs": jsonline in, LogsQL out. Level
// and component are its stream fields, which is the kindest set-up for these
// questions.
type victoriaLogs struct{ server }

const (
	victoriaInsert = "/insert/jsonline?_stream_fields=level,component&_time_field=timestamp&_msg_field=message"
	// victoriaPoll is how often its merges are looked at, victoriaQuiet how
	// many looks in a row must find none.
	victoriaPoll  = 200 * time.Millisecond
	victoriaQuiet = 3
)

func newVictoriaLogs(s server) *victoriaLogs {
	t := &victoriaLogs{server: s}
	t.version = []string{"-version"}
	t.args = func(dir, address string) []string {
		return []string{"-storageDataPath=" + dir, "-httpListenAddr=" + address, "-retentionPeriod=100y"}
	}
	t.ready = func(ctx context.Context) error {
		_, _, err := t.http.do(ctx, http.MethodGet, "/health", "", nil)
		return err
	}
	return t
}

// Ingest implements Target.
// It does not say which lines it left out, so that only a question shows what
// it has.
func (t *victoriaLogs) Ingest(ctx context.Context, b Batch) (Receipt, error) {
	_, _, err := t.as(b.Tenant).do(ctx, http.MethodPost, victoriaInsert, "application/stream+json", b.Text)
	return Receipt{Accepted: b.Lines}, err
}

// as is the caller that speaks for a tenant.
func (t *victoriaLogs) as(tenant int) *caller {
	if tenant == 0 {
		return t.http
	}
	return t.http.with("AccountID", strconv.Itoa(tenant))
}

// Settle implements Target. The forced merge runs in the background, so it is
// over when no merge is active for a while and the folder does not change.
func (t *victoriaLogs) Settle(ctx context.Context) error {
	for _, path := range []string{"/internal/force_flush", "/internal/force_merge"} {
		if _, _, err := t.http.do(ctx, http.MethodGet, path, "", nil); err != nil {
			return fmt.Errorf("settle %s: %w", t.name, err)
		}
	}
	ticker := time.NewTicker(victoriaPoll)
	defer ticker.Stop()
	var size int64
	for quiet := 0; quiet < victoriaQuiet; {
		select {
		case <-ctx.Done():
			return fmt.Errorf("settle %s: %w", t.name, ctx.Err())
		case <-ticker.C:
		}
		busy, err := t.merging(ctx)
		if err != nil {
			return err
		}
		now := size
		if t.Owned() {
			disk, err := t.Disk()
			if err != nil {
				return err
			}
			now = disk.Apparent
		}
		if busy || now != size {
			quiet = 0
		} else {
			quiet++
		}
		size = now
	}
	return nil
}

func (t *victoriaLogs) merging(ctx context.Context) (bool, error) {
	text, _, err := t.http.do(ctx, http.MethodGet, "/metrics", "", nil)
	if err != nil {
		return false, fmt.Errorf("look at merges of %s: %w", t.name, err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "vl_active_merges{") || strings.HasPrefix(line, "vl_active_force_merges") {
			fields := strings.Fields(line)
			if fields[len(fields)-1] != "0" {
				return true, nil
			}
		}
	}
	return false, nil
}

// Ask implements Target.
func (t *victoriaLogs) Ask(ctx context.Context, q Question) (Answer, error) {
	form := url.Values{"query": {victoriaQuery(q)}}
	if q.Kind == Newest {
		form.Set("limit", strconv.Itoa(q.Limit))
	}
	text, elapsed, err := t.as(q.Tenant).do(ctx, http.MethodPost, "/select/logsql/query", "application/x-www-form-urlencoded", []byte(form.Encode()))
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Elapsed: elapsed, Groups: map[string]float64{}}
	decoder := json.NewDecoder(bytes.NewReader(text))
	for decoder.More() {
		var row map[string]string
		if err := decoder.Decode(&row); err != nil {
			return Answer{}, fmt.Errorf("read answer of %s: %w", t.name, err)
		}
		if err := victoriaRow(q, row, &a); err != nil {
			return Answer{}, err
		}
	}
	return a, nil
}

func victoriaRow(q Question, row map[string]string, a *Answer) error {
	switch q.Kind {
	case Newest:
		ns, err := parseTime(row["_time"])
		if err != nil {
			return err
		}
		a.Hits = append(a.Hits, Hit{Time: ns, Message: row["_msg"]})
		return nil
	case Count, Distinct:
		n, err := strconv.ParseInt(row["n"], 10, 64)
		if err != nil {
			return fmt.Errorf("read count: %w", err)
		}
		a.Count = n
		return nil
	}
	group, number := row[q.GroupBy], row["n"]
	if q.Kind == PerStep {
		group = row["_time"]
	}
	if number == "" {
		return a.addGroup(q, &group, nil)
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return fmt.Errorf("read number of a group: %w", err)
	}
	return a.addGroup(q, &group, &value)
}

// victoriaQuery renders the question in LogsQL. Its words are case-sensitive;
// the words asked for occur in one case only.
func victoriaQuery(q Question) string {
	where := victoriaCondition(q.Where)
	if q.To != 0 {
		where = "_time:[" + formatTime(q.From) + ", " + formatTime(q.To) + ") " + where
	}
	switch q.Kind {
	case Newest:
		return where
	case Count:
		return where + " | stats count() n"
	case CountBy:
		return where + " | stats by (" + q.GroupBy + ") count() n"
	case PerStep:
		return where + " | stats by (_time:" + stepText(q.Step) + ") count() n"
	case Top:
		return where + " | stats by (" + q.GroupBy + ") count() n | sort by (n desc) limit " + strconv.Itoa(q.Limit)
	case Distinct:
		return where + " | stats count_uniq(" + strconv.Quote(q.Field) + ") n"
	}
	return where + " | stats by (" + q.GroupBy + ") quantile(0.99, " + strconv.Quote(q.Field) + ") n"
}

func victoriaCondition(c Condition) string {
	switch c := c.(type) {
	case Equals:
		if stream := victoriaStream([]Condition{c}); stream != "" {
			return stream
		}
		return strconv.Quote(c.Field) + ":=" + strconv.Quote(c.Value)
	case Word: // in quotes, as some words are names of pipes
		return strconv.Quote(c.Text)
	case Phrase:
		return strconv.Quote(c.Text)
	case Prefix:
		return strconv.Quote(c.Text) + "*"
	case Pattern:
		return "~" + strconv.Quote(c.Regexp.String())
	case All:
		if stream := victoriaStream(c.Of); stream != "" {
			return stream
		}
		return "(" + join(c.Of, " and ", victoriaCondition) + ")"
	case Any:
		return "(" + join(c.Of, " or ", victoriaCondition) + ")"
	case None:
		return "!" + victoriaCondition(c.Of)
	}
	return "*"
}

// victoriaStream renders conditions on stream fields alone as a stream filter,
// its fastest form; "" if there are others.
func victoriaStream(conditions []Condition) string {
	var labels []string
	for _, c := range conditions {
		e, ok := c.(Equals)
		if !ok || e.Field != FieldLevel && e.Field != FieldComponent {
			return ""
		}
		labels = append(labels, e.Field+"="+strconv.Quote(e.Value))
	}
	return "{" + strings.Join(labels, ",") + "}"
}
