package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	calm      map[string]bool // ids of what is found on the last day of the log as it is
}

// begin is where the time of stretched sources begins: a Monday.
func begin() time.Time { return time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) }

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
	s := &source{name: strings.TrimSuffix(filepath.Base(path), ".ndjson.zst")}
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
	message := ""
	var values []string
	for _, f := range r.Fields {
		if f.Name == "message" {
			message = f.Text
		} else if f.Kind == model.String {
			values = append(values, f.Text)
		}
	}
	return shape.MessageOutline(message, values)
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

// store makes records something that can be asked.
func store(records []model.Record, set *pattern.Set) (*insight.Service, error) {
	s := &shards{set: set}
	for chunk := range slices.Chunk(records, blockSize) {
		data, err := block.Encode(nil, chunk)
		if err != nil {
			return nil, fmt.Errorf("encode records: %w", err)
		}
		decoded, err := block.Decode(data)
		if err != nil {
			return nil, fmt.Errorf("decode records: %w", err)
		}
		p, err := head.New(0, uint64(len(s.parts)+1), decoded, nil)
		if err != nil {
			return nil, fmt.Errorf("open records: %w", err)
		}
		s.parts = append(s.parts, p)
	}
	return insight.New(query.New(s, query.Config{MemoryBytes: 1 << 30, Time: time.Minute}), nil, begin), nil
}

// scope is a day of a source.
func scope(from time.Time) insight.Scope {
	return insight.Scope{
		Audience: query.Audience{Tenant: model.DefaultTenant},
		Window:   insight.Window{From: from.UnixNano(), To: from.Add(day).UnixNano()},
	}
}
