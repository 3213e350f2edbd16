package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/api/render"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/ingest/timestamp"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/complete"
	"github.com/stere-log/stere/query/exec"
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
		return unread(err)
	}
	if err := unknownNames(body.Unknown); err != nil {
		return err
	}
	if body.Explain, err = r.explained(body.Explain); err != nil {
		return err
	}
	return r.search(body)
}

// explained reads ?explain=true.
func (r *request) explained(asked bool) (bool, error) {
	switch text := string(r.ctx.QueryArgs().Peek("explain")); text {
	case "":
		return asked, nil
	case "true", "false":
		return text == "true", nil
	default:
		return false, invalid("explain", "is %.20q, want true or false", text)
	}
}

// listParams are the query parameters of GET /logs that are no field names.
func listParams() []string {
	return []string{"startTime", "endTime", "start", "end", "from", "to", "since", "limit", "cursor", "page", "q", "query", "sortBy", "sortOrder", "facets", "explain"}
}

// handleList is GET /logs: every parameter that is not one of listParams is a
// filter by that field.
func handleList(r *request) error {
	body, err := r.listRequest(listParams())
	if err == nil {
		body.Explain, err = r.explained(false)
	}
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
	ctx, end := r.asking()
	defer end()
	form := fmt.Sprintf("%d.%d", p.number, p.limit)          // pages of other numbers are other answers
	req.Tagged, req.Known = !body.Include, r.knownTags(form) // what is around may be of other times
	result, err := r.server.cfg.Engine.Search(ctx, req)
	if err != nil {
		return fmt.Errorf("search: %w", settle(ctx, err))
	}
	if p.skip > 0 && !result.Table && result.HasMore && len(result.Hits) < p.skip+p.limit {
		reason := "the records up to this page take too many bytes: page with the cursor"
		result.Complete, result.Reason, result.Tag = false, strings.TrimPrefix(result.Reason+"; "+reason, "; "), ""
	}
	if body.Include && !result.Table {
		if p.around, err = r.around(ctx, result, p.skip); err != nil {
			return err
		}
	}
	if r.tagged(result.Tag, form, result.Unchanged) {
		return nil
	}
	if result.Total == 0 && result.Complete && req.Cursor == "" {
		p.hints = complete.Hints(ctx, r.server.cfg.Engine, req)
	}
	r.ctx.SetStatusCode(fasthttp.StatusOK)
	r.ctx.SetContentType(contentJSON)
	r.ctx.Response.SetBodyRaw(r.server.appendResult(nil, result, p))
	return nil
}

// Limits of what a search shows around its records.
const (
	aroundHitsMax = 50 // records of the page
	aroundRecords = 3  // before and after each
	aroundBytes   = 16 << 20
)

// around returns what is around each record of a page. Where it takes too many bytes
// the answer is a partial one.
func (r *request) around(ctx context.Context, result *query.Result, skip int) ([]*query.ContextResult, error) {
	hits := result.Hits[min(skip, len(result.Hits)):]
	if len(hits) > aroundHitsMax {
		return nil, invalid("includeContext", "shows what is around at most %d records, and the page has %d: give a lower limit", aroundHitsMax, len(hits))
	}
	partial := func(reason string) {
		if !strings.Contains(result.Reason, reason) {
			result.Complete, result.Reason = false, strings.TrimPrefix(result.Reason+"; "+reason, "; ")
		}
	}
	var around []*query.ContextResult
	bytes := 0
	for i := range hits {
		found, err := r.server.cfg.Engine.Context(ctx, r.audience(), hits[i].ID, aroundRecords, aroundRecords)
		if err != nil {
			return nil, fmt.Errorf("context of record %s: %w", hits[i].ID, settle(ctx, err))
		}
		for _, list := range [...][]query.Hit{found.Before, found.After} {
			for n := range list {
				bytes += exec.RecordBytes(&list[n].Record)
			}
		}
		if bytes > aroundBytes {
			partial("what is around the records takes too many bytes: give a lower limit")
			break
		}
		if !found.Complete {
			partial(found.Reason)
		}
		around = append(around, found)
	}
	return around, nil
}

// searchRequest checks a search and turns it into the engine's request.
func (r *request) searchRequest(body v1.SearchRequest) (query.Request, page, error) {
	c := checker{now: r.server.cfg.Now()}
	req := query.Request{
		Audience: r.audience(), Text: body.Query, Cursor: firstText(body.Pagination.Cursor, body.Cursor),
		Facets: body.Facets, Highlight: body.Highlight, Explain: body.Explain, Who: r.principal.Name,
	}
	for _, filter := range body.Filters.Fields {
		req.Filters = append(req.Filters, query.Filter{Field: filter.Field, Values: filter.Values})
	}
	if len(body.Domains) > 0 {
		req.Filters = append(req.Filters, query.Filter{Field: fieldDomain, Values: body.Domains})
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
	if len(body.Domains) > domainsMax || body.Global && len(body.Domains) > 0 {
		c.fault("domains", "are %d, want at most %d, and none together with global", len(body.Domains), domainsMax)
	}
	if p.skip > 0 && req.Cursor != "" {
		c.fault("page", "cannot be used together with a cursor")
	}
	err := c.err()
	switch {
	case err != nil:
	case body.Explain && r.principal.Restriction != "":
		// It counts records before conditions are met, also that one.
		err = newProblem(kindForbidden, "explain tells of records that %.100q may not see", r.principal.Name)
	case body.Global:
		_, err = auth.Authorize(r.principal, auth.Ask{Permission: auth.Admin}, nil)
	}
	return req, p, err
}

// fieldDomain is the field in which records say of what domain they are.
const fieldDomain = "domain"

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

// unread is the problem of a body that is no search.
func unread(err error) error {
	var member *v1.MemberError
	if errors.As(err, &member) {
		return invalid(member.Member, "%s", member.Message)
	}
	return newProblem(kindValidation, "%v", err)
}

// unknownNames refuses members that nobody knows, with the nearest known one.
func unknownNames(members []v1.Unknown) error {
	var c checker
	for _, m := range members {
		if near := syntax.Nearest(m.Name, m.Known); near != "" {
			c.fault(m.In, "unknown member %.50q, did you mean %q?", m.Name, near)
		} else {
			c.fault(m.In, "unknown member %.50q, want %s", m.Name, strings.Join(m.Known, ", "))
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
	hit, err := r.server.cfg.Engine.Get(ctx, r.audience(), id)
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
	ctx, end := r.asking()
	defer end()
	found, err := r.server.cfg.Engine.Context(ctx, r.audience(), id, before, after)
	if err != nil {
		return fmt.Errorf("context of record %s: %w", id, settle(ctx, err))
	}
	var encoder render.Encoder
	dst := appendRecords([]byte(`{"success":true,"data":{"before":`), &encoder, found.Before)
	dst = encoder.Append(append(dst, `,"record":`...), found.Hit.ID, &found.Hit.Record)
	dst = appendRecords(append(dst, `,"after":`...), &encoder, found.After)
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
	ctx, end := r.asking()
	defer end()
	found, err := complete.Complete(ctx, r.server.cfg.Engine, query.Request{Audience: r.audience(), Text: body.Query, Who: r.principal.Name}, position)
	if err != nil {
		return fmt.Errorf("complete: %w", settle(ctx, err))
	}
	answer := v1.Completion{From: found.From, To: found.To, Choices: []v1.Choice{}}
	for _, choice := range found.Choices {
		answer.Choices = append(answer.Choices, v1.Choice(choice))
	}
	r.sendData(fasthttp.StatusOK, answer)
	return nil
}

// SavedQueries keeps the queries that tenants have given names. Its errors are those
// of a Cluster.
type SavedQueries interface {
	// List returns the queries of a tenant, by name.
	List(tenant model.TenantID) []v1.SavedQuery
	// Put saves a query, in place of one of the name unless it is to be fresh.
	Put(ctx context.Context, tenant model.TenantID, query v1.SavedQuery, fresh bool) (v1.SavedQuery, error)
	// Drop forgets a query.
	Drop(ctx context.Context, tenant model.TenantID, name string) error
}

// saved returns the saved queries.
func (r *request) saved() (SavedQueries, error) {
	if r.server.cfg.Queries == nil {
		return nil, newProblem(kindUnavailable, "this node saves no queries")
	}
	return r.server.cfg.Queries, nil
}

// handleSavedQueries is GET /queries.
func handleSavedQueries(r *request) error {
	queries, err := r.saved()
	if err != nil {
		return err
	}
	r.sendData(fasthttp.StatusOK, queries.List(r.principal.Tenant))
	return nil
}

// handleSavedQuery is GET /queries/{name}.
func handleSavedQuery(r *request) error {
	queries, err := r.saved()
	if err != nil {
		return err
	}
	name, _ := r.ctx.UserValue("name").(string)
	var known []string
	for _, query := range queries.List(r.principal.Tenant) {
		if query.Name == name {
			r.sendData(fasthttp.StatusOK, query)
			return nil
		}
		known = append(known, query.Name)
	}
	p := newProblem(kindNotFound, "no saved query %.100q", name)
	if near := syntax.Nearest(name, known); near != "" {
		p.details = []v1.Detail{{Field: "name", Message: "there is no such query", Suggestion: near}}
	}
	return p
}

// handleSaveQuery is POST /queries, which saves a new query, and PUT
// /queries/{name}, which also changes one.
func handleSaveQuery(r *request) error {
	queries, err := r.saved()
	if err != nil {
		return err
	}
	text, release, err := r.readBody(searchBodyBytesMax)
	if err != nil {
		return err
	}
	defer release()
	var body struct{ Name, Query, Description string }
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		return invalid("body", "want {\"name\":\"errors\",\"query\":\"level:error\",\"description\":\"\"}: %v", err)
	}
	status, fresh := fasthttp.StatusCreated, true
	if r.ctx.IsPut() {
		name, _ := r.ctx.UserValue("name").(string)
		if body.Name != "" && body.Name != name {
			return invalid("name", "is %.50q, and %.50q in the path", body.Name, name)
		}
		body.Name, status, fresh = name, fasthttp.StatusOK, false
	}
	if _, err := syntax.Parse(body.Query); err != nil {
		return err
	}
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	query, err := queries.Put(ctx, r.principal.Tenant, v1.SavedQuery{Name: body.Name, Query: body.Query, Description: body.Description, By: r.principal.Name}, fresh)
	if err != nil {
		return fmt.Errorf("save query: %w", err)
	}
	r.sendData(status, query)
	return nil
}

// handleDropQuery is DELETE /queries/{name}.
func handleDropQuery(r *request) error {
	queries, err := r.saved()
	if err != nil {
		return err
	}
	name, _ := r.ctx.UserValue("name").(string)
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	if err := queries.Drop(ctx, r.principal.Tenant, name); err != nil {
		return fmt.Errorf("forget query: %w", err)
	}
	r.sendData(fasthttp.StatusOK, struct {
		Name string `json:"name"`
	}{name})
	return nil
}
