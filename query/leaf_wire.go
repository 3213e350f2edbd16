package query

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/meaning/classifier"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/pattern"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/rows"
	"github.com/stere-log/stere/query/syntax"
)

// Versions are of the form of leaf requests and answers, and of what they mean: there is
// another one when the same text comes to mean something else.
const (
	leafVersion      = 5
	leafVersionLater = 6 // of requests that name fields which nodes of the other do not make
)

// LeafRequestMax and LeafAnswerMax are the most bytes of a leaf call.
const (
	LeafRequestMax = 16 << 20
	LeafAnswerMax  = 128 << 20
)

// What else a request may hold at most.
const (
	leafShardsMax  = 64 << 10
	leafFiltersMax = 4 << 10
	leafValuesMax  = 1 << 20 // of a filter
	leafFacetsMax  = 256
	leafPageMax    = 1 << 20 // records of a page, and records to skip
)

// leafKind says what is asked.
type leafKind byte

const (
	leafPage  leafKind = iota + 1 // positions, records, facets
	leafTable                     // groups and the states of their aggregates
	leafFetch                     // records by their ids
)

// leafRequest is what a leaf has to know of a query. Of the Request it holds
// audience, text, filters, bounds on time and order; the setting has what the queries
// inside the text found.
type leafRequest struct {
	kind   leafKind
	shards []model.ShardID
	Request
	setting
	learnt
	places string // the version of where addresses are, for a text to which that matters
	page   exec.Page
	limits exec.Limits
	ids    []model.RecordID // of leafFetch
}

// checksumBytes is how many bytes of a hash end requests and answers.
const checksumBytes = 8

// sealed appends the checksum.
func sealed(dst []byte) []byte { return binary.LittleEndian.AppendUint64(dst, xxhash.Sum64(dst)) }

// version returns that of a question which names fields: the later one if nodes that know only
// the first do not make one of them, which then refuse it and leave nothing out unsaid.
func (m mentions) version(first, later byte) byte {
	if m.derived.Later() {
		return later
	}
	return first
}

// opened checks version, which may be one of two, and checksum, and returns what is between them.
func opened(first, later byte, data []byte, most int, fault error) (wire.Reader, error) {
	if len(data) > 0 && data[0] == later {
		return openedAs(later, data, most, fault)
	}
	return openedAs(first, data, most, fault)
}

// openedAs checks version and checksum and returns what is between them.
func openedAs(version byte, data []byte, most int, fault error) (wire.Reader, error) {
	switch {
	case len(data) > most:
		return wire.Reader{}, fmt.Errorf("%w: it has %d bytes, the most is %d", fault, len(data), most)
	case len(data) > 0 && data[0] != version:
		return wire.Reader{}, fmt.Errorf("%w: have %d, know %d", ErrLeafVersion, data[0], version)
	case len(data) < 1+checksumBytes:
		return wire.Reader{}, fmt.Errorf("%w: it has %d bytes", fault, len(data))
	}
	end := len(data) - checksumBytes
	if xxhash.Sum64(data[:end]) != binary.LittleEndian.Uint64(data[end:]) {
		return wire.Reader{}, fmt.Errorf("%w: its checksum is wrong", fault)
	}
	return wire.NewReader(data[1:end]), nil
}

// encode returns the bytes of a request.
func (q *leafRequest) encode() ([]byte, error) {
	dst := appendText([]byte{q.mentions().version(leafVersion, leafVersionLater), byte(q.kind)}, string(q.Tenant))
	dst = appendText(dst, q.Restriction)
	dst = binary.AppendUvarint(dst, uint64(len(q.shards)))
	for _, shard := range q.shards {
		dst = binary.AppendUvarint(dst, uint64(shard))
	}
	dst = appendText(dst, q.Text)
	dst = binary.AppendUvarint(dst, uint64(len(q.Filters)))
	for _, filter := range q.Filters {
		dst = appendTexts(appendText(dst, filter.Field), filter.Values)
	}
	for _, at := range [...]int64{q.From, q.To, q.now} {
		dst = binary.AppendVarint(dst, at)
	}
	dst = binary.AppendUvarint(dst, uint64(len(q.Sort)))
	for _, key := range q.Sort {
		dst = appendFlag(appendText(dst, key.Field), key.Desc)
	}
	dst = appendFlag(appendPage(dst, &q.page), q.Explain)
	dst = appendLimits(dst, &q.limits)
	dst = binary.AppendUvarint(dst, uint64(q.shift))
	dst = binary.AppendUvarint(dst, uint64(len(q.joins)))
	for _, set := range q.joins {
		dst = set.Append(dst)
	}
	dst = binary.AppendUvarint(dst, uint64(len(q.ids)))
	for _, id := range q.ids {
		at := exec.Position{ID: id}
		dst = at.Append(dst)
	}
	dst = binary.AppendUvarint(dst, uint64(len(q.sets)))
	for _, set := range q.sets {
		dst = appendTexts(dst, set)
	}
	var set []byte
	var err error
	if q.patterns != nil {
		set = q.patterns.Encode()
	}
	dst = appendText(appendText(dst, string(set)), q.places)
	if dst, err = q.learnt.append(dst); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLeafRequest, err)
	}
	if dst = sealed(dst); len(dst) > LeafRequestMax {
		return nil, fmt.Errorf("%w: it has %d bytes, the most is %d", ErrLeafRequest, len(dst), LeafRequestMax)
	}
	return dst, nil
}

// append appends the model and the words of a tenant. Of a text to which neither matters
// nothing follows: nodes that know of none read it, and refuse others.
func (l *learnt) append(dst []byte) ([]byte, error) {
	var text []byte
	var err error
	if l.model != nil {
		if text, err = l.model.MarshalJSON(); err != nil {
			return nil, err
		}
	}
	if l.model != nil || l.words != nil {
		dst = appendText(dst, string(text))
	}
	if l.words != nil {
		if text, err = l.words.Encode(); err != nil {
			return nil, err
		}
		dst = appendText(dst, string(text))
	}
	return dst, nil
}

// take takes what append appended.
func (l *learnt) take(r *wire.Reader) (err error) {
	if r.Failed() || r.Len() == 0 {
		return nil
	}
	if text := r.Bytes(); len(text) > 0 {
		l.model = &classifier.Model{}
		if err := l.model.UnmarshalJSON(text); err != nil {
			return err
		}
	}
	if !r.Failed() && r.Len() > 0 {
		l.words, err = meaning.DecodeLexicon(r.Bytes())
	}
	return err
}

// appendPage appends which records are wanted.
func appendPage(dst []byte, page *exec.Page) []byte {
	dst = binary.AppendUvarint(dst, uint64(page.Size))
	dst = binary.AppendUvarint(dst, uint64(page.Skip))
	dst = appendFlag(appendTexts(dst, page.Facets), page.Total)
	if dst = appendFlag(dst, page.After != nil); page.After != nil {
		dst = binary.AppendUvarint(dst, uint64(len(page.After.Values)))
		dst = page.After.Append(dst)
	}
	return dst
}

// appendLimits appends those limits that a leaf keeps too.
func appendLimits(dst []byte, l *exec.Limits) []byte {
	for _, limit := range [...]int64{
		int64(l.Time), int64(l.CountTime), int64(l.CountLarge), int64(l.CountBrief), int64(l.Groups), int64(l.Distinct), int64(l.Values), int64(l.MemoryBytes),
	} {
		dst = binary.AppendUvarint(dst, uint64(max(1, limit)))
	}
	read := uint64(readAny)
	if l.Read > 0 {
		read = min(l.Read, readAny)
	}
	return binary.AppendUvarint(dst, read)
}

// readAny is on the wire that a leaf may read any number of bytes.
const readAny = math.MaxInt64

// takeLimits takes limits, which are positive.
func takeLimits(r *wire.Reader) exec.Limits {
	take := func() int64 {
		limit := r.Uvarint()
		if limit == 0 || limit > math.MaxInt64 {
			r.Fail()
		}
		return int64(limit)
	}
	limits := exec.Limits{
		Time: time.Duration(take()), CountTime: time.Duration(take()), CountLarge: uint64(take()), CountBrief: time.Duration(take()),
		Groups: int(take()), Distinct: int(take()), Values: int(take()), MemoryBytes: int(take()), Read: uint64(take()),
	}
	if limits.Read == readAny {
		limits.Read = 0
	}
	return limits
}

// decodeLeafRequest reads a request and checks it.
func decodeLeafRequest(data []byte) (*leafRequest, error) {
	r, err := opened(leafVersion, leafVersionLater, data, LeafRequestMax, ErrLeafRequest)
	if err != nil {
		return nil, err
	}
	q := &leafRequest{kind: leafKind(r.Byte())}
	q.Tenant, q.Restriction = model.TenantID(r.String()), r.String()
	q.shards = takeList(&r, leafShardsMax, func() model.ShardID { return model.ShardID(r.Uint32()) })
	q.Text = r.String()
	q.Filters = takeList(&r, leafFiltersMax, func() Filter {
		return Filter{Field: r.String(), Values: takeList(&r, leafValuesMax, r.String)}
	})
	q.From, q.To, q.now = r.Varint(), r.Varint(), r.Varint()
	q.Sort = takeList(&r, syntax.ListMax, func() SortKey { return SortKey{Field: r.String(), Desc: takeFlag(&r)} })
	q.page = takePage(&r)
	q.Explain = takeFlag(&r)
	q.limits = takeLimits(&r)
	if q.shift = time.Duration(r.Uvarint()); q.shift < 0 {
		r.Fail()
	}
	q.joins = takeList(&r, syntax.QueriesMax, func() *rows.JoinSet { return rows.TakeJoinSet(&r) })
	q.ids = takeList(&r, exec.FetchMax, func() model.RecordID { return exec.TakePosition(&r, 0).ID })
	q.sets = takeList(&r, syntax.QueriesMax, func() []string { return takeList(&r, setValuesMax, r.String) })
	if set := r.String(); set != "" && !r.Failed() {
		if q.patterns, err = pattern.Decode([]byte(set)); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrLeafRequest, err)
		}
	}
	q.places = r.String()
	if err := q.learnt.take(&r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLeafRequest, err)
	}
	switch {
	case !r.Done():
		return nil, fmt.Errorf("%w: it does not read as one", ErrLeafRequest)
	case q.kind < leafPage || q.kind > leafFetch:
		return nil, fmt.Errorf("%w: unknown kind %d", ErrLeafRequest, q.kind)
	case len(q.shards) == 0:
		return nil, fmt.Errorf("%w: it names no shard", ErrLeafRequest)
	}
	if err := q.Tenant.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLeafRequest, err)
	}
	return q, nil
}

// takePage takes which records are wanted.
func takePage(r *wire.Reader) exec.Page {
	page := exec.Page{Size: int(r.Bounded(leafPageMax)), Skip: int(r.Bounded(leafPageMax))}
	page.Facets = takeList(r, leafFacetsMax, r.String)
	page.Total = takeFlag(r)
	if takeFlag(r) {
		at := exec.TakePosition(r, int(r.Bounded(syntax.ListMax)))
		page.After = &at
	}
	return page
}

// encodeLeafAnswer returns the bytes of an answer: what could not be read, and
// what the rest amounts to.
// If it was asked what that cost, usage says it.
func encodeLeafAnswer(missing string, usage *exec.Usage, body []byte) []byte {
	dst := make([]byte, 0, 1+binary.MaxVarintLen64+len(missing)+len(body)+checksumBytes)
	dst = appendFlag(appendText(append(dst, leafVersion), missing), usage != nil)
	if usage != nil {
		dst = usage.Append(dst)
	}
	return sealed(append(dst, body...))
}

// decodeLeafAnswer reads an answer; what it cost is added to usage, if that is
// not nil.
func decodeLeafAnswer(data []byte, usage *exec.Usage) (missing string, body []byte, err error) {
	r, err := openedAs(leafVersion, data, LeafAnswerMax, ErrLeafAnswer)
	if err != nil {
		return "", nil, err
	}
	missing = r.String()
	if takeFlag(&r) {
		usage.Take(&r)
	}
	if r.Failed() {
		return "", nil, fmt.Errorf("%w: it does not read as one", ErrLeafAnswer)
	}
	return missing, r.Rest(), nil
}

// appendText appends a text with its length in front.
func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// appendTexts appends a list of texts.
func appendTexts(dst []byte, texts []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(texts)))
	for _, text := range texts {
		dst = appendText(dst, text)
	}
	return dst
}

// appendFlag appends a truth value.
func appendFlag(dst []byte, set bool) []byte {
	if set {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// takeFlag takes a truth value.
func takeFlag(r *wire.Reader) bool {
	flag := r.Byte()
	if flag > 1 {
		r.Fail()
	}
	return flag == 1
}

// takeList takes a list of at most so many elements of a byte or more.
func takeList[T any](r *wire.Reader, most uint32, take func() T) []T {
	n := r.Bounded(most)
	if uint64(n) > uint64(r.Len()) {
		r.Fail()
	}
	var list []T
	for i := uint32(0); i < n && !r.Failed(); i++ {
		list = append(list, take())
	}
	return list
}
