package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/stere-log/stere/ingest/ndjson"
	"github.com/stere-log/stere/ingest/pipeline"
	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/pattern"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage/head"
	"github.com/stere-log/stere/storage/part"
)

const (
	day        = 24 * time.Hour
	spanDays   = 9      // what is shorter is stretched to so many days
	recordsMax = 60_000 // of a source; of more every n-th is taken
	blockSize  = 10_000
)

// source is the records of one kind of log, as those of a tenant.
type source struct {
	name      string
	records   []model.Record // in the order of time
	patterns  []string       // ids, one for each record
	set       *pattern.Set
	stretched bool
	days      int
	calm      map[string]bool        // ids of what is found on the last day of the log as it is
	parts     map[string]*remembered // of the log as it is
	made      uint64                 // parts
}

// begin is where the time of stretched sources begins: a Monday.
func begin() time.Time { return time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) }

// lastDay begins where something is put into stretched sources.
func lastDay() time.Time { return begin().Add((spanDays - 1) * day) }

// load reads a file of records.
func load(path string) (*source, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	defer file.Close()
	reader, err := zstd.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	defer reader.Close()
	body, err := io.ReadAll(reader)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	s := &source{parts: map[string]*remembered{}, name: strings.TrimSuffix(filepath.Base(path), ".ndjson.zst")}
	lines := strings.SplitAfter(string(body), "\n")
	every := len(lines)/recordsMax + 1
	var kept strings.Builder
	for i := 0; i < len(lines); i += every {
		kept.WriteString(lines[i])
	}
	decoded, err := ndjson.Decode(nil, []byte(kept.String()), begin(), pipeline.Config{MaxLineBytes: 4 << 20, MaxFields: 1000, MaxNameBytes: 1000, MaxDepth: 50})
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", path, err)
	}
	s.records = decoded.Records
	s.place()
	s.learn()
	return s, nil
}

// place puts the records of a short log into spanDays, as far from each other as they
// are; those of a long one stay where they are.
func (s *source) place() {
	sortRecords(s.records)
	first, last := s.records[0].Time, s.records[len(s.records)-1].Time
	s.days = int((last-first)/int64(day)) + 1
	if s.days >= spanDays {
		return
	}
	s.days, s.stretched = spanDays, true
	factor := float64(spanDays*day-time.Minute) / float64(max(last-first, 1))
	for i := range s.records {
		s.records[i].Time = begin().UnixNano() + int64(float64(s.records[i].Time-first)*factor)
	}
}

// sortRecords puts records into the order of time.
func sortRecords(records []model.Record) {
	slices.SortStableFunc(records, func(a, b model.Record) int { return cmp.Compare(a.Time, b.Time) })
}

// learn learns the patterns of the messages.
func (s *source) learn() {
	outlines := make([]string, len(s.records))
	distinct := map[string]bool{}
	for i := range s.records {
		outlines[i] = outline(&s.records[i])
		distinct[outlines[i]] = true
	}
	texts := make([]string, 0, len(distinct))
	for text := range distinct {
		texts = append(texts, text)
	}
	slices.Sort(texts)
	var none *pattern.Set
	s.set = none.Learn(pattern.Outlines(texts))
	mapper := s.set.Mapper()
	s.patterns = make([]string, len(outlines))
	for i, text := range outlines {
		s.patterns[i] = mapper.Of(text).ID
	}
}

// outline returns what the pattern of a record follows from.
func outline(r *model.Record) string {
	message, _ := r.Get(model.FieldMessage)
	return shape.MessageOutline(message.Text)
}

// shards are the shards of a tenant, in memory.
type shards struct {
	parts []part.Part
	set   *pattern.Set
}

// Views implements query.Shards.
func (s *shards) Views(context.Context, model.TenantID) ([]query.View, error) {
	return []query.View{{Parts: s.parts}}, nil
}

// Patterns implements query.Patterns.
func (s *shards) Patterns(model.TenantID) *pattern.Set { return s.set }

// remembered is a part that keeps what is computed of it, as segments do.
type remembered struct {
	*head.Part
	name    string
	records []model.Record
	mu      sync.Mutex
	kept    map[string]any
}

// Memo implements part.Memo.
func (r *remembered) Memo(key string, make func() (any, int64, error)) (any, error) {
	r.mu.Lock()
	value, ok := r.kept[key]
	r.mu.Unlock()
	if ok {
		return value, nil
	}
	value, bytes, err := make()
	if err == nil && bytes >= 0 {
		r.mu.Lock()
		r.kept[key] = value
		r.mu.Unlock()
	}
	return value, err
}

// Identity implements part.Memo.
func (r *remembered) Identity() string { return r.name }

// Sealed implements part.Memo.
func (r *remembered) Sealed() bool { return true }

// chunks cuts records, in the order of time, by days and into blocks: the day into which
// something is put by hours, so that the others keep what was computed of them.
func chunks(records []model.Record) iter.Seq2[string, []model.Record] {
	return func(yield func(string, []model.Record) bool) {
		for from := 0; from < len(records); {
			start := time.Unix(0, records[from].Time).UTC().Truncate(day)
			end := start.Add(day)
			if start.Equal(lastDay()) {
				start = time.Unix(0, records[from].Time).UTC().Truncate(time.Hour)
				end = start.Add(time.Hour)
			}
			to := from + sort.Search(len(records)-from, func(i int) bool { return records[from+i].Time >= end.UnixNano() })
			n := 0
			for chunk := range slices.Chunk(records[from:to], blockSize) {
				if !yield(fmt.Sprintf("%d-%d", start.Unix(), n), chunk) {
					return
				}
				n++
			}
			from = to
		}
	}
}

// same reports whether records are those of another slice, not only equal ones.
func same(a, b []model.Record) bool {
	return slices.EqualFunc(a, b, func(a, b model.Record) bool {
		return a.Time == b.Time && len(a.Fields) == len(b.Fields) && (len(a.Fields) == 0 || &a.Fields[0] == &b.Fields[0])
	})
}

// store makes records something that can be asked. Days that are as they were in the
// source keep what was computed of them.
func (s *source) store(records []model.Record) (*insight.Service, error) {
	all := &shards{set: s.set}
	for name, chunk := range chunks(records) {
		p, known := s.parts[name]
		if !known || !same(p.records, chunk) {
			data, err := block.Encode(nil, chunk)
			if err != nil {
				return nil, fmt.Errorf("encode records: %w", err)
			}
			decoded, err := block.Decode(data)
			if err != nil {
				return nil, fmt.Errorf("decode records: %w", err)
			}
			s.made++
			made, err := head.New(0, s.made, decoded, nil)
			if err != nil {
				return nil, fmt.Errorf("open records: %w", err)
			}
			p = &remembered{Part: made, name: fmt.Sprint(s.made), records: chunk, kept: map[string]any{}}
			if !known {
				s.parts[name] = p
			}
		}
		all.parts = append(all.parts, p)
	}
	return insight.New(query.New(all, query.Config{MemoryBytes: 1 << 30, Time: time.Minute}), nil, begin), nil
}

// scope is a day of a source.
func scope(from time.Time) insight.Scope {
	return insight.Scope{
		Audience: query.Audience{Tenant: model.DefaultTenant},
		Window:   insight.Window{From: from.UnixNano(), To: from.Add(day).UnixNano()},
	}
}
