package api

import (
	"encoding/json"
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
	"github.com/valyala/fasthttp"
)

const contentJSON = "application/json"

// now returns the time of the answer as text.
func (s *Server) now() string { return string(s.appendNow(nil)) }

func (s *Server) appendNow(dst []byte) []byte {
	return timestamp.Append(dst, s.cfg.Now().UnixNano(), 3)
}

// sendJSON sends a small answer; records have their own encoder.
func (r *request) sendJSON(status int, answer any) {
	body, err := json.Marshal(answer)
	if err != nil { // a value of ours that JSON cannot hold
		r.server.cfg.Logger.Error("encode answer", "error", err, "request_id", r.id)
		status, body = kindInternal.status, []byte(`{"success":false,"error":{"code":"INTERNAL_ERROR","message":"the answer could not be encoded"}}`)
	}
	r.sendRaw(status, contentJSON, body)
}

// sendData sends data in the envelope of success.
func (r *request) sendData(status int, data any) {
	r.sendJSON(status, struct {
		Success   bool   `json:"success"`
		Data      any    `json:"data"`
		Timestamp string `json:"timestamp"`
	}{true, data, r.server.now()})
}

// page says which part of a result is sent.
type page struct {
	number int // from 1; 0 if the client pages by cursor
	limit  int
	skip   int                    // records of earlier pages in the result
	around []*query.ContextResult // what is around the first of its records
	hints  []string
}

// appendResult appends the envelope of a search.
func (s *Server) appendResult(dst []byte, result *query.Result, p page) []byte {
	dst = append(dst, `{"success":true,"data":`...)
	if result.Table {
		dst = appendTable(dst, result, p)
	} else {
		dst = append(dst, '[')
		var encoder render.Encoder
		for i := min(p.skip, len(result.Hits)); i < len(result.Hits); i++ {
			if i > p.skip {
				dst = append(dst, ',')
			}
			dst = encoder.Append(dst, result.Hits[i].ID, &result.Hits[i].Record)
			if len(result.Hits[i].Highlights) > 0 {
				dst = appendHighlights(dst, &result.Hits[i])
			}
			if at := i - p.skip; at < len(p.around) {
				dst = appendRecords(append(dst[:len(dst)-1], `,"_context":{"before":`...), &encoder, p.around[at].Before)
				dst = append(appendRecords(append(dst, `,"after":`...), &encoder, p.around[at].After), "}}"...)
			}
		}
		dst = append(dst, ']')
	}
	dst = append(dst, `,"pagination":`...)
	pagination, err := json.Marshal(paginationOf(result, p))
	if err != nil { // numbers, texts and booleans only: cannot be
		pagination = []byte("null")
	}
	dst = append(dst, pagination...)
	dst = append(dst, `,"timestamp":"`...)
	return append(s.appendNow(dst), `"}`...)
}

// appendRecords appends records as a list.
func appendRecords(dst []byte, encoder *render.Encoder, hits []query.Hit) []byte {
	dst = append(dst, '[')
	for i := range hits {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = encoder.Append(dst, hits[i].ID, &hits[i].Record)
	}
	return append(dst, ']')
}

func paginationOf(result *query.Result, p page) v1.Pagination {
	if p.limit == 0 {
		p.limit = result.Limit
	}
	out := v1.Pagination{
		Page: p.number, Limit: p.limit, Total: result.Total, NextCursor: result.NextCursor, HasMore: result.HasMore,
		SearchMeta: v1.SearchMeta{
			ExecutionTime: math.Round(result.Elapsed.Seconds()*1e6) / 1e3,
			TotalMatches:  result.Total, Relation: "eq", Complete: result.Complete, Reason: result.Reason, Approximate: result.Approximate, Hints: p.hints,
		},
	}
	if result.Explain != nil {
		out.SearchMeta.Explain = explanation(result.Explain)
	}
	if !result.TotalExact {
		out.SearchMeta.Relation = "gte"
	}
	if !result.Table && p.limit > 0 {
		out.TotalPages = (result.Total + uint64(p.limit) - 1) / uint64(p.limit)
	}
	if result.Facets != nil {
		out.SearchMeta.Facets = map[string][]v1.FacetValue{}
		for field, values := range result.Facets {
			list := make([]v1.FacetValue, len(values))
			for i, value := range values {
				list[i] = v1.FacetValue{Value: value.Value, Count: value.Count}
			}
			out.SearchMeta.Facets[field] = list
		}
	}
	return out
}

// explanation returns how a search was answered.
func explanation(e *query.Explanation) *v1.Explain {
	u := e.Usage
	out := &v1.Explain{
		Plan:      []v1.ExplainStep{},
		Estimated: v1.ExplainCost{Rows: u.EstimatedRows.Load(), Bytes: u.EstimatedBytes.Load()},
		Actual: v1.ExplainCost{
			Rows: u.Rows.Load(), Bytes: u.Bytes.Load(), Reads: u.Reads.Load(), Segments: u.Segments.Load(), Blocks: u.Blocks.Load(), LeftOut: u.Left.Load(),
			Remembered: u.Remembered.Load(), CacheHits: u.Hits.Load(), CacheMisses: u.Misses.Load(), Nodes: u.Nodes.Load(),
		},
	}
	for _, step := range e.Steps {
		out.Plan = append(out.Plan, v1.ExplainStep(step))
	}
	return out
}

// appendHighlights adds "_highlights" to the record just appended: for each
// field the stretches of bytes where the query matched.
func appendHighlights(dst []byte, hit *query.Hit) []byte {
	dst = append(dst[:len(dst)-1], `,"_highlights":{`...)
	for i, h := range hit.Highlights {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(render.AppendString(dst, model.QueryName(h.Field)), ':', '[')
		for j, span := range h.Spans {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendInt(append(dst, '['), int64(span.Start), 10)
			dst = append(strconv.AppendInt(append(dst, ','), int64(span.End), 10), ']')
		}
		dst = append(dst, ']')
	}
	return append(dst, "}}"...)
}

// cellBytes is about how many bytes a cell of a table takes: there is room for all before
// they are written.
const cellBytes = 16

func appendTable(dst []byte, result *query.Result, p page) []byte {
	dst = append(dst, `{"columns":[`...)
	for i, column := range result.Columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = render.AppendString(append(dst, `{"name":`...), column.Name)
		dst = append(render.AppendString(append(dst, `,"type":`...), column.Type), '}')
	}
	dst = append(dst, `],"rows":[`...)
	dst = slices.Grow(dst, max(0, len(result.Rows)-p.skip)*len(result.Columns)*cellBytes)
	for i := min(p.skip, len(result.Rows)); i < len(result.Rows); i++ {
		if i > p.skip {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		for j, cell := range result.Rows[i] {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = appendCell(dst, cell)
		}
		dst = append(dst, ']')
	}
	return append(dst, "]}"...)
}

// appendCell appends a cell of a table. JSON has no NaN and no infinities:
// they become null.
func appendCell(dst []byte, cell any) []byte {
	switch v := cell.(type) {
	case nil:
		return append(dst, "null"...)
	case string:
		return render.AppendString(dst, v)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return append(dst, "null"...)
		}
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return strconv.AppendInt(dst, int64(v), 10)
		}
		return strconv.AppendFloat(dst, v, 'g', -1, 64)
	case bool:
		return strconv.AppendBool(dst, v)
	case time.Time:
		return append(timestamp.Append(append(dst, '"'), v.UnixNano(), 9), '"')
	case json.Number:
		return append(dst, v...)
	}
	if text, err := json.Marshal(cell); err == nil {
		return append(dst, text...)
	}
	return append(dst, "null"...)
}

// knownTags returns the tags of a form that the client has an answer for.
func (r *request) knownTags(form string) (known []string) {
	header := string(r.ctx.Request.Header.Peek(fasthttp.HeaderIfNoneMatch))
	for text := range strings.SplitSeq(header, ",") {
		text = strings.TrimPrefix(strings.TrimSpace(text), "W/")
		if tag, ok := strings.CutSuffix(strings.Trim(text, `"`), "-"+form); ok && len(known) < knownTagsMax {
			known = append(known, tag)
		}
	}
	return known
}

// tagged says what a client may keep of an answer with a tag: all of it, as long as
// it asks before each use. It reports whether the client has it already and the
// answer is 304. Without a tag it says nothing.
func (r *request) tagged(tag, form string, unchanged bool) bool {
	if tag == "" {
		return false
	}
	header := &r.ctx.Response.Header
	header.Set(fasthttp.HeaderETag, `W/"`+tag+"-"+form+`"`) // weak: the times of the answer differ
	header.Set(fasthttp.HeaderCacheControl, "private, no-cache")
	r.varies()
	r.server.meters.conditional(unchanged)
	if unchanged {
		r.ctx.SetStatusCode(fasthttp.StatusNotModified)
	}
	return unchanged
}

// varies says that an answer which may be kept is for who asked alone, and for the
// tenant that they chose.
func (r *request) varies() {
	on := []string{r.server.cfg.APIKeyHeader, fasthttp.HeaderAuthorization, headerTenant, headerOrg, fasthttp.HeaderOrigin}
	r.ctx.Response.Header.Set(fasthttp.HeaderVary, strings.Join(on, ", "))
}
