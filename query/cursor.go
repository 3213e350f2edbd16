package query

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/syntax"
)

// cursorVersion is the form of cursors; others are refused.
const cursorVersion = 2

// CursorMax is the longest cursor in bytes.
const CursorMax = 64 << 10

// cursor says where the next page begins. Clients see it as an opaque text.
type cursor struct {
	Version int    `json:"v"`
	Query   uint64 `json:"q,string"` // hash of what must not change between pages
	Now     int64  `json:"n,string"` // what "now" means on all pages
	Seen    int    `json:"s"`        // records or rows before the page

	Time   int64       `json:"t,string"`
	ID     string      `json:"i,omitempty"`
	Values []sortValue `json:"k,omitempty"`
}

// sortValue is exec.SortValue in a form in which JSON alters nothing: texts
// need not be UTF-8.
type sortValue struct {
	Class  exec.Class `json:"c"`
	Number float64    `json:"n,omitempty"`
	Whole  int64      `json:"w,string,omitempty"`
	Text   []byte     `json:"t,omitempty"`
}

// after sets the record after which the page begins.
func (c *cursor) after(at *exec.Position) {
	c.Time, c.ID, c.Values = at.Time, at.ID.String(), nil
	for _, v := range at.Values {
		c.Values = append(c.Values, sortValue{v.Class, v.Number, v.Whole, []byte(v.Text)})
	}
}

// encode returns the text of a cursor.
func (c cursor) encode() (string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encode cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(text), nil
}

// decodeCursor reads a cursor for a query; sorts is the number of sort values.
func decodeCursor(text string, query uint64) (*cursor, error) {
	if len(text) > CursorMax {
		return nil, ErrCursor
	}
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, ErrCursor
	}
	var c cursor
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, ErrCursor
	}
	if c.Version != cursorVersion || c.Query != query || c.Seen < 0 {
		return nil, ErrCursor
	}
	return &c, nil
}

// position returns the record before the page.
func (c *cursor) position(sorts int) (*exec.Position, error) {
	id, err := model.ParseRecordID(c.ID)
	if err != nil || len(c.Values) != sorts {
		return nil, ErrCursor
	}
	at := &exec.Position{Time: c.Time, ID: id}
	for _, v := range c.Values {
		at.Values = append(at.Values, exec.SortValue{Class: v.Class, Number: v.Number, Whole: v.Whole, Text: string(v.Text)})
	}
	return at, nil
}

// hash returns the hash of what must not change between pages. Bounds on time
// may: clients often compute them anew.
func (r *Request) hash() (uint64, error) {
	text, err := json.Marshal([]any{r.Tenant, r.Restriction, r.Text, r.Filters, r.Sort})
	if err != nil {
		return 0, fmt.Errorf("hash request: %w", err)
	}
	return xxhash.Sum64(text), nil
}

// start returns the cursor of a request, or that of its first page.
func (r *Request) start(now time.Time) (*cursor, error) {
	hash, err := r.hash()
	if err != nil {
		return nil, err
	}
	if r.Cursor == "" {
		return &cursor{Version: cursorVersion, Query: hash, Now: now.UnixNano()}, nil
	}
	return decodeCursor(r.Cursor, hash)
}

// tagBytes is how long a tag is, before it is made text.
const tagBytes = 16

// tagLater is how much later a text is planned again, to see whether it speaks of now.
const tagLater = 12345 * time.Second

// Tag returns what changes when an answer to a request over closed times can change:
// the tag of whoever may ask the same of the same records. It is "" where that cannot
// be told, as shards are elsewhere, something is missing, or the text speaks of now or
// looks beyond its times. What else decides the answer is said by more.
func (e *Engine) Tag(ctx context.Context, request Request, more string) (string, error) {
	from, err := e.source(ctx, request.Tenant, request.mentions())
	if err != nil {
		return "", err
	}
	defer from.release()
	return e.tag(from, &request, more), nil
}

// tag is Tag over a source.
func (e *Engine) tag(from *source, request *Request, more string) string {
	now := e.config.Now().UnixNano()
	if request.To == 0 || request.To > now || request.Explain || from.reason() != "" {
		return ""
	}
	bounds := lasting(request, now)
	if bounds == nil {
		return ""
	}
	asked := leafRequest{kind: leafPage, shards: []model.ShardID{0}, Request: *request, learnt: from.learnt, places: from.places, page: exec.Page{Facets: request.Facets}}
	said, err := asked.encode()
	if err != nil {
		return ""
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %d %d %t %t %q %q %d:", e.config.Version, request.Limit, request.Groups, request.Whole, request.Highlight, request.Cursor, more, len(said))
	_, _ = sum.Write(said) // a hash takes everything
	for _, view := range from.views {
		if view.Key == nil || view.Leaf != nil {
			return ""
		}
		key, ok := view.Key(bounds.From, bounds.To)
		if !ok {
			return ""
		}
		fmt.Fprintf(sum, "%d %d:", view.Shard, len(key))
		_, _ = sum.Write(key)
	}
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:tagBytes])
}

// lasting returns the plan of a request whose answer follows from the records
// between its times alone; nil if it does not.
func lasting(request *Request, now int64) *plan.Plan {
	p, err := makePlan(request, setting{now: now})
	if err != nil || p.Volatile || strings.Contains(request.Text, "now(") {
		return nil
	}
	later, err := makePlan(request, setting{now: now + int64(tagLater)})
	if err != nil || p.From != later.From || p.To != later.To || p.Key != later.Key || !reflect.DeepEqual(p.Expr, later.Expr) || !reflect.DeepEqual(p.Table, later.Table) {
		return nil
	}
	query, err := syntax.Parse(request.Text)
	if err != nil || len(plan.Subqueries(query)) > 0 {
		return nil
	}
	for _, pipe := range query.Pipes {
		switch pipe.(type) {
		case *syntax.Join, *syntax.Lookup, *syntax.Union, *syntax.Context, *syntax.Compare:
			return nil
		}
	}
	return p
}
