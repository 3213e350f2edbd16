package exec

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
)

// answerBytes is how many bytes of records go with an answer. Those of a page
// of any usual size fit; the rest is asked for when it is known to be on the
// page.
const answerBytes = 8 << 20

// RecordsAnswer returns the records of the parts that can be on a page, in the
// form that Remote.Answer hands to Records: positions of all, and the records
// of the first, unless some are to be skipped.
func RecordsAnswer(ctx context.Context, parts []part.Part, p *plan.Plan, page Page, limits Limits) ([]byte, error) {
	s := newSearch(ctx, Source{Parts: parts}, p, page, limits)
	defer s.cancel()
	exact, err := s.look()
	if err != nil {
		return nil, err
	}
	found := s.found.sorted()
	outcome := s.outcome()
	dst := appendText([]byte{answerRecords}, outcome.Reason)
	dst = binary.AppendUvarint(dst, s.counted())
	dst = append(dst, 0)
	if exact {
		dst[len(dst)-1] = 1
	}
	dst = binary.AppendUvarint(dst, uint64(len(found)))
	for i := range found {
		dst = found[i].Position.Append(dst)
	}
	dst = s.facets.encode(dst)
	if page.Skip > 0 {
		return dst, nil
	}
	return s.appendRecords(dst, found[:min(len(found), page.Size)])
}

// appendRecords appends the records of the first candidates, as many as fit.
func (s *search) appendRecords(dst []byte, found []candidate) ([]byte, error) {
	names := namesOut{}
	return s.appendHits(dst, found, func(dst []byte, hit *Hit) []byte { return names.append(dst, &hit.Record) })
}

// recordsFirst and recordsBatch are how many records are read at once for an
// answer, first and at most.
const (
	recordsFirst = 64
	recordsBatch = 1 << 10
)

// appendHits reads candidates and appends them, at least one and as many as fit.
func (s *search) appendHits(dst []byte, found []candidate, write func(dst []byte, hit *Hit) []byte) ([]byte, error) {
	start := len(dst)
	for done := 0; done < len(found); {
		n := recordsFirst
		if done > 0 { // as many as will fit, if they are like those before
			n = min(recordsBatch, 1+(start+answerBytes-len(dst))/(1+(len(dst)-start)/done))
		}
		hits, err := s.fetch(s.outer, found[done:min(len(found), done+n)])
		if err != nil {
			return nil, err
		}
		for i := range hits {
			if dst = write(dst, &hits[i]); len(dst) >= start+answerBytes {
				return dst, nil
			}
		}
		done += len(hits)
	}
	return dst, nil
}

// recordsFound is what another node found for a page.
type recordsFound struct {
	reason string
	total  uint64
	exact  bool
	at     []Position
	facets *facetsFound
	hits   []model.Record // of the first of at
}

// decode returns what another node found.
func (s *search) decode(answer []byte) (*recordsFound, error) {
	r := wire.NewReader(answer)
	if r.Byte() != answerRecords {
		r.Fail()
	}
	found := &recordsFound{reason: r.String(), total: r.Uvarint(), exact: r.Byte() == 1}
	n := r.Uvarint()
	if n > uint64(s.found.size) || n > uint64(r.Len()) || found.total < n || found.total > math.MaxInt64 {
		r.Fail()
		return nil, ErrAnswer
	}
	found.at = make([]Position, n)
	for i := range found.at {
		if found.at[i] = TakePosition(&r, SortsOf(s.plan)); r.Failed() {
			return nil, ErrAnswer
		}
	}
	found.facets = s.facets.take(&r)
	names := namesIn{}
	for r.Len() > 0 && len(found.hits) < len(found.at) {
		found.hits = append(found.hits, names.take(&r))
	}
	if !r.Done() {
		return nil, ErrAnswer
	}
	return found, nil
}

// FetchMax is how many records Remote.Fetch asks for at once.
const FetchMax = 1 << 10

// FetchAnswer returns those of the records with the ids that the parts have, in
// the form that Remote.Fetch hands on: at least one if there is one, and as
// many of the first as fit.
func FetchAnswer(ctx context.Context, parts []part.Part, p *plan.Plan, ids []model.RecordID, limits Limits) ([]byte, error) {
	s := newSearch(ctx, Source{Parts: parts}, p, Page{}, limits)
	defer s.cancel()
	places := map[model.RecordID]candidate{}
	for i, p := range parts {
		rows, err := p.Eval(s.ctx, index.IDs{Of: ids}, nil)
		if err != nil {
			return nil, wrapPart(err)
		}
		if rows.IsEmpty() {
			continue
		}
		have, err := p.IDs(rows)
		if err != nil {
			return nil, wrapPart(err)
		}
		for n, row := range rows.ToArray() {
			places[have[n]] = candidate{Position: Position{ID: have[n]}, part: i, row: row}
		}
	}
	var found []candidate
	for _, id := range ids {
		if c, ok := places[id]; ok {
			found = append(found, c)
		}
	}
	names := namesOut{}
	return s.appendHits([]byte{answerFetch}, found, func(dst []byte, hit *Hit) []byte {
		return names.append(appendID(dst, hit.ID), &hit.Record)
	})
}

// takeFetched takes what another node answered to Fetch.
func takeFetched(answer []byte, into map[model.RecordID]model.Record) error {
	r := wire.NewReader(answer)
	if r.Byte() != answerFetch {
		return ErrAnswer
	}
	names := namesIn{}
	for r.Len() > 0 {
		id := takeID(&r)
		record := names.take(&r)
		if r.Failed() {
			return ErrAnswer
		}
		into[id] = record
	}
	return nil
}

// fetchAll fetches records from another node. It returns those that are there.
func fetchAll(ctx context.Context, from Remote, ids []model.RecordID) (map[model.RecordID]model.Record, error) {
	found := map[model.RecordID]model.Record{}
	for len(ids) > 0 {
		some, before := ids[:min(len(ids), FetchMax)], len(found)
		answer, err := from.Fetch(ctx, some)
		if err != nil {
			return found, err
		}
		if err := takeFetched(answer, found); err != nil {
			return found, fmt.Errorf("fetch records: %w", err)
		}
		// The first ones that are there came: what stands before the last of
		// them and did not come is not there.
		done := len(some)
		for done > 0 && len(found) > before {
			if _, ok := found[some[done-1]]; ok {
				break
			}
			done--
		}
		ids = ids[done:]
	}
	return found, nil
}
