package api

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/api/render"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/ingest/timestamp"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/complete"
	"github.com/stere-log/stere/query/syntax"
	"github.com/valyala/fasthttp"
)

// handleSearch is POST /logs/search.
func handleSearch(r *request) error {
	text, release, err := r.readBody(searchBodyBytesMax)
	if err != nil {
		return err
	}
	defer release()
	body, err := v1.DecodeSearch(text)
	if err != nil {
		return newProblem(kindValidation, "%v", err)
	}
	if err := unknownNames("body", body.Unknown, "query", "filters", "timeRange", "limit", "cursor", "pagination", "sort", "facets", "highlight", "includeContext"); err != nil {
		return err
	}
	return r.search(body)
}

// listParams are the query parameters of GET /logs that are no field names.
func listParams() []string {
	return []string{"startTime", "endTime", "start", "end", "from", "to", "since", "limit", "cursor", "page", "q", "query", "sortBy", "sortOrder", "facets"}
}

// handleList is GET /logs: every parameter that is not one of listParams is a
// filter by that field.
func handleList(r *request) error {
	body, err := r.listRequest(listParams())
	if err != nil {
		return err
	}
	return r.search(body)
}

// listRequest reads a search from the parameters of a request: those that are not
// named are filters.
func (r *request) listRequest(named []string) (body v1.SearchRequest, err error) {
	var faults []v1.Detail
	params := map[string]string{}
	filters := map[string]int{}
	for name, value := range r.ctx.QueryArgs().All() {
		name, value := string(name), string(value)
		if slices.Contains(named, name) {
			params[name] = value
			continue
		}
		if name == "" {
			continue
		}
		at, ok := filters[name]
		if !ok {
			at = len(body.Filters.Fields)
			filters[name] = at
			body.Filters.Fields = append(body.Filters.Fields, v1.Filter{Field: name})
		}
		body.Filters.Fields[at].Values = append(body.Filters.Fields[at].Values, value)
	}
	first := func(names ...string) string {
		for _, name := range names {
			if params[name] != "" {
				return params[name]
			}
		}
		return ""
	}
	number := func(name string) int {
		value := params[name]
		if value == "" {
			return 0
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			faults = append(faults, v1.Detail{Field: name, Message: fmt.Sprintf("%.50q is not a whole number above 0", value)})
		}
		return n
	}
	body.Query, body.Cursor = first("query", "q"), params["cursor"]
	body.Limit, body.Pagination.Page = number("limit"), number("page")
	start, end := first("startTime", "start", "from"), first("endTime", "end", "to")
	if since := params["since"]; since != "" && start == "" {
		start = "now-" + since
	}
	body.TimeRange = &v1.TimeRange{Start: v1.Moment(start), End: v1.Moment(end)}
	if params["sortBy"] != "" || params["sortOrder"] != "" {
		body.Sort = v1.SortKeys{{Field: params["sortBy"], Order: params["sortOrder"]}}
	}
	if params["facets"] != "" {
		body.Facets = strings.Split(params["facets"], ",")
	}
	if len(faults) > 0 {
		return body, &problem{kind: kindValidation, message: faults[0].Field + ": " + faults[0].Message, details: faults}
	}
	return body, nil
}

// search runs a search and sends its answer.
func (r *request) search(body v1.SearchRequest) error {
	req, p, err := r.searchRequest(body)
	if err != nil {
		return err
	}
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	defer watchClient(r.ctx.Conn(), cancel)()
	result, err := r.server.cfg.Engine.Search(ctx, req)
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	r.ctx.SetStatusCode(fasthttp.StatusOK)
	r.ctx.SetContentType(contentJSON)
	r.ctx.Response.SetBodyRaw(r.server.appendResult(nil, result, p))
	return nil
}

// searchRequest checks a search and turns it into the engine's request.
func (r *request) searchRequest(body v1.SearchRequest) (query.Request, page, error) {
	c := checker{now: r.server.cfg.Now()}
	req := query.Request{
		Tenant: r.principal.Tenant, Text: body.Query, Cursor: firstText(body.Pagination.Cursor, body.Cursor),
		Facets: body.Facets, Highlight: body.Highlight, Who: r.principal.Name,
	}
	for _, filter := range body.Filters.Fields {
		req.Filters = append(req.Filters, query.Filter{Field: filter.Field, Values: filter.Values})
	}
	times := body.TimeRange
	if times == nil || *times == (v1.TimeRange{}) {
		times = body.Filters.TimeRange
	}
	if times != nil {
		req.From, req.To = c.timeRange(*times)
	}
	p := c.page(body)
	req.Limit = p.limit + p.skip // 0: the query's own limit, or the default
	req.Sort = c.sort(body.Sort)
	if len(body.Facets) > facetsMax {
		c.fault("facets", "%d fields, want at most %d", len(body.Facets), facetsMax)
	}
	if p.skip > 0 && req.Cursor != "" {
		c.fault("page", "cannot be used together with a cursor")
	}
	return req, p, c.err()
}

func firstText(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// checker collects the faults of a request, so that all are named at once.
type checker struct {
	now    time.Time
	faults []v1.Detail
}

func (c *checker) fault(field, format string, args ...any) {
	c.faults = append(c.faults, v1.Detail{Field: field, Message: fmt.Sprintf(format, args...)})
}

func (c *checker) err() error {
	if len(c.faults) == 0 {
		return nil
	}
	texts := make([]string, len(c.faults))
	for i, f := range c.faults {
		texts[i] = f.Field + ": " + f.Message
	}
	return &problem{kind: kindValidation, message: strings.Join(texts, "; "), details: c.faults}
}

// timeRange turns a range with both ends included into nanoseconds from <=
// time < to; zero is no bound.
func (c *checker) timeRange(r v1.TimeRange) (from, to int64) {
	if r.Start != "" {
		if from = c.moment("startTime", string(r.Start)); from == 0 {
			from = -1 // the start of 1970 is a bound
		}
	}
	if r.End != "" {
		if to = c.moment("endTime", string(r.End)); to < math.MaxInt64 {
			to++
		}
		if to == 0 {
			to = 1
		}
	}
	if len(c.faults) == 0 && r.Start != "" && r.End != "" && from >= to {
		c.fault("startTime", "is after endTime")
	}
	return from, to
}

// moment reads a time: any text form of a record's time, an epoch, a date, or
// relative to now: "now", "now-1h", "-1h".
func (c *checker) moment(field, text string) int64 {
	text = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(text, "now"); ok || strings.HasPrefix(text, "-") && !render.IsNumber(text) {
		if !ok {
			rest = text
		}
		rest = strings.TrimSpace(rest)
		if rest == "" {
			return c.now.UnixNano()
		}
		if d, err := syntax.ParseDuration(strings.TrimSpace(rest[1:])); err == nil && len(rest) > 1 {
			switch rest[0] {
			case '-':
				return c.now.Add(-d).UnixNano()
			case '+':
				return c.now.Add(d).UnixNano()
			}
		}
		c.fault(field, "%.50q is not a time, want for example now-1h", text)
		return 0
	}
	if t, ok := timestamp.ParseNumber(text); ok {
		return t.Nanos
	}
	if t, ok := timestamp.Parse(text, c.now); ok {
		return t.Nanos
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t.UnixNano()
	}
	c.fault(field, "%.50q is not a time, want for example 2024-05-01T12:00:00Z, 1714564800 or now-1h", text)
	return 0
}

// page reads how many records are asked for and which page of them. Without a
// limit the query's own counts, then the default. A limit above the maximum is
// lowered: hasMore says that there is more.
func (c *checker) page(body v1.SearchRequest) page {
	p := page{limit: body.Limit, number: body.Pagination.Page}
	if body.Pagination.Limit != 0 {
		p.limit = body.Pagination.Limit
	}
	if p.limit < 0 {
		c.fault("limit", "is %d, want 1 to %d", p.limit, searchLimitMax)
	}
	p.limit = min(p.limit, searchLimitMax)
	if p.number < 0 {
		c.fault("page", "is %d, want 1 or more", p.number)
	}
	if p.number > 1 && len(c.faults) == 0 {
		if p.limit == 0 {
			p.limit = SearchLimitDefault
		}
		if p.number > searchLimitMax/p.limit {
			c.fault("page", "page %d of %d records lies beyond the first %d records, use the cursor instead", p.number, p.limit, searchLimitMax)
		} else {
			p.skip = (p.number - 1) * p.limit
		}
	}
	return p
}

// queryTime is what the query language calls the time of a record.
const queryTime = "_time"

// sort reads the sort keys; newest first is the default.
func (c *checker) sort(keys v1.SortKeys) []query.SortKey {
	if len(keys) > sortKeysMax {
		c.fault("sort", "%d keys, want at most %d", len(keys), sortKeysMax)
	}
	var out []query.SortKey
	for _, key := range keys {
		k := query.SortKey{Field: key.Field, Desc: true}
		if k.Field == "" || k.Field == model.FieldTimestamp {
			k.Field = queryTime
		}
		switch strings.ToLower(key.Order) {
		case "", "desc", "descending":
		case "asc", "ascending":
			k.Desc = false
		default:
			c.fault("sort", "the order %.20q is neither asc nor desc", key.Order)
		}
		out = append(out, k)
	}
	return out
}

// unknownNames refuses names that nobody knows, with the nearest known one.
func unknownNames(field string, names []string, known ...string) error {
	var c checker
	for _, name := range names {
		if near := syntax.Nearest(name, known); near != "" {
			c.fault(field, "unknown member %.50q, did you mean %q?", name, near)
		} else {
			c.fault(field, "unknown member %.50q, want %s", name, strings.Join(known, ", "))
		}
	}
	return c.err()
}

// handleGet is GET /logs/{id}.
func handleGet(r *request) error {
	id, err := r.recordID()
	if err != nil {
		return err
	}
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	hit, err := r.server.cfg.Engine.Get(ctx, r.principal.Tenant, id)
	if err != nil {
		return fmt.Errorf("get record %s: %w", id, err)
	}
	var encoder render.Encoder
	dst := encoder.Append([]byte(`{"success":true,"data":`), hit.ID, &hit.Record)
	r.sendEnd(dst)
	return nil
}

// sendEnd closes an envelope whose data is already there.
func (r *request) sendEnd(dst []byte) {
	dst = append(dst, `,"timestamp":"`...)
	dst = append(r.server.appendNow(dst), `"}`...)
	r.sendRaw(fasthttp.StatusOK, contentJSON, dst)
}

// recordID reads the id of the path. What is no id names no record: 404.
func (r *request) recordID() (model.RecordID, error) {
	text, _ := r.ctx.UserValue("id").(string)
	id, err := model.ParseRecordID(text)
	if err != nil {
		return id, newProblem(kindNotFound, "no record %.100q", text)
	}
	return id, nil
}

// contextRecordsDefault is how many records before and after are sent.
const contextRecordsDefault = 10

// handleContext is GET /logs/{id}/context.
func handleContext(r *request) error {
	id, err := r.recordID()
	if err != nil {
		return err
	}
	var c checker
	count := func(name string) int {
		text := string(r.ctx.QueryArgs().Peek(name))
		if text == "" {
			return contextRecordsDefault
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > contextRecordsMax {
			c.fault(name, "%.50q is not a whole number from 0 to %d", text, contextRecordsMax)
		}
		return n
	}
	before, after := count("before"), count("after")
	if err := c.err(); err != nil {
		return err
	}
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	found, err := r.server.cfg.Engine.Context(ctx, r.principal.Tenant, id, before, after)
	if err != nil {
		return fmt.Errorf("context of record %s: %w", id, err)
	}
	var encoder render.Encoder
	list := func(dst []byte, hits []query.Hit) []byte {
		dst = append(dst, '[')
		for i := range hits {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = encoder.Append(dst, hits[i].ID, &hits[i].Record)
		}
		return append(dst, ']')
	}
	dst := list([]byte(`{"success":true,"data":{"before":`), found.Before)
	dst = encoder.Append(append(dst, `,"record":`...), found.Hit.ID, &found.Hit.Record)
	dst = list(append(dst, `,"after":`...), found.After)
	dst = append(dst, `,"source":{`...)
	for i, filter := range found.Source {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(render.AppendString(dst, filter.Field), ':')
		dst = render.AppendString(dst, strings.Join(filter.Values, ","))
	}
	dst = strconv.AppendBool(append(dst, `},"complete":`...), found.Complete)
	if found.Reason != "" {
		dst = render.AppendString(append(dst, `,"reason":`...), found.Reason)
	}
	r.sendEnd(append(dst, '}'))
	return nil
}

// handleComplete is POST /query/complete: what could stand at a place of a
// query, for editors.
func handleComplete(r *request) error {
	text, release, err := r.readBody(searchBodyBytesMax)
	if err != nil {
		return err
	}
	defer release()
	body := struct {
		Query    string
		Position *int // in bytes; the end if absent
	}{}
	if err := json.Unmarshal(text, &body); err != nil {
		return invalid("body", "want {\"query\":\"level:err\",\"position\":9}: %v", err)
	}
	position := len(body.Query)
	if body.Position != nil {
		position = *body.Position
	}
	if position < 0 || position > len(body.Query) {
		return invalid("position", "is %d, want 0 to %d", position, len(body.Query))
	}
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	defer watchClient(r.ctx.Conn(), cancel)()
	found, err := complete.Complete(ctx, r.server.cfg.Engine, query.Request{Tenant: r.principal.Tenant, Text: body.Query, Who: r.principal.Name}, position)
	if err != nil {
		return fmt.Errorf("complete: %w", err)
	}
	answer := v1.Completion{From: found.From, To: found.To, Choices: []v1.Choice{}}
	for _, choice := range found.Choices {
		answer.Choices = append(answer.Choices, v1.Choice(choice))
	}
	r.sendData(fasthttp.StatusOK, answer)
	return nil
}
