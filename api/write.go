package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/api/enrich"
	"github.com/stere-log/stere/api/limits"
	"github.com/stere-log/stere/api/render"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/consumption"
	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/ingest/body"
	"github.com/stere-log/stere/ingest/elastic"
	"github.com/stere-log/stere/ingest/ndjson"
	"github.com/stere-log/stere/model"
	"github.com/valyala/fasthttp"
)

// handleWrite is POST /logs.
func handleWrite(r *request) error {
	plain, err := r.mediaType()
	if err != nil {
		return err
	}
	key, err := r.idempotencyKey()
	if err != nil {
		return err
	}
	text, release, err := r.readBody(r.server.cfg.BodyBytes)
	if err != nil {
		return err
	}
	defer release()
	asText := plain && !bytes.HasPrefix(bytes.TrimSpace(text), []byte{'{'})
	releaseRecords, err := r.takeRecords(text, asText)
	if err != nil {
		return err
	}
	defer releaseRecords()
	decode := r.server.decoder.Decode
	if asText {
		decode = r.server.decoder.DecodeLines
	}
	now := r.server.cfg.Now()
	decoded, err := decode(r.principal.Tenant, nil, text, now)
	if err != nil {
		return fmt.Errorf("decode body: %w", err)
	}
	if err := unusable(text, decoded); err != nil {
		r.server.meters.written(0, decoded.Refused)
		return err
	}
	digest := digestOf(key != "", text, decoded.Records, decoded.Redacted+r.unread(decoded.Refused), now)
	result, err := r.write(key, digest, decoded.Records, len(text))
	if err != nil {
		return err
	}
	r.server.meters.written(len(decoded.Records), decoded.Refused)
	if decoded.Single {
		r.sendData(fasthttp.StatusCreated, r.stored(result.ID(0), &decoded.Records[0]))
	} else {
		written := v1.Written{Accepted: len(decoded.Records), Rejected: decoded.Refused, Errors: rejectedOf(decoded.Rejected)}
		r.sendData(fasthttp.StatusOK, written)
	}
	// Nothing is left that points into the records or the body: the writer is
	// done and the answer is rendered. Errors are rendered later and may name
	// what is in the body, so what they leave is the collector's.
	r.server.decoder.Release(decoded)
	r.server.unpacker.Recycle(text)
	return nil
}

// unusable refuses a body as a whole: one that holds nothing, or one thing
// only and that is not a record. Everything else is answered line by line.
func unusable(text []byte, decoded ndjson.Decoded) error {
	switch {
	case len(decoded.Records) > 0:
		return nil
	case decoded.Refused == 1 && len(decoded.Rejected) == 1:
		only := decoded.Rejected[0]
		p := &problem{kind: kindValidation, message: only.Message}
		if only.Field != "" {
			p.message = only.Field + ": " + p.message
		}
		p.details = []v1.Detail{{Line: only.Line, Field: only.Field, Message: only.Message}}
		return p
	case decoded.Refused == 0 && len(bytes.TrimSpace(text)) == 0:
		return newProblem(kindValidation, "the body holds no record")
	}
	return nil
}

// unread returns how many records there may be secrets in that nobody has looked for:
// those that were refused, where redaction is on.
func (r *request) unread(refused int) int {
	if r.server.cfg.Decode.Redactor(r.principal.Tenant) == nil {
		return 0
	}
	return refused
}

// digestOf returns the hash of a body, where one is wanted. That of a body in
// which something was redacted, or may have to be, is made of what is left of it: it
// is stored, and a secret must not be found by trying.
func digestOf(wanted bool, text []byte, records []model.Record, redacted int, now time.Time) (sum [sha256.Size]byte) {
	switch {
	case !wanted:
	case redacted > 0:
		return ingest.Digest(records, now)
	default:
		return sha256.Sum256(text)
	}
	return sum
}

// write hands records to the writer. The hash of the body tells a repeated
// request from a key that is used twice.
func (r *request) write(key string, digest [sha256.Size]byte, records []model.Record, size int) (ingest.Result, error) {
	if len(records) == 0 {
		return ingest.Result{}, nil
	}
	if r.principal.Own {
		markSubmitter(records, r.principal.Name)
		key = keyOf(key, r.principal.Name)
	}
	req := ingest.Request{Tenant: r.audience().Tenant, Key: key, Records: records}
	if key != "" {
		copy(req.BodyHash[:], digest[:])
	}
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	back, err := r.passRecords(ctx, len(records), size)
	if err != nil {
		return ingest.Result{}, err
	}
	result, err := r.server.cfg.Writer.Write(ctx, req)
	if err != nil {
		if errors.Is(err, ingest.ErrBusy) || errors.Is(err, ingest.ErrNoSpace) || errors.Is(err, ingest.ErrConflict) {
			back() // nothing of it was stored
		}
		return result, fmt.Errorf("write %d records: %w", len(records), err)
	}
	if result.Duplicate {
		back()
		r.ctx.Response.Header.Set(v1.HeaderReplayed, "true")
	} else if r.server.cfg.Book != nil {
		r.server.cfg.Book.Add(r.principal.Tenant, consumption.Amount{Lines: int64(len(records)), BytesIn: int64(size)})
	}
	return result, nil
}

// passRecords counts records in, where the tenant has a limit of them.
func (r *request) passRecords(ctx context.Context, lines, size int) (back func(), err error) {
	if r.server.cfg.Limits == nil {
		return func() {}, nil
	}
	back, refusal := r.server.cfg.Limits.Records(ctx, r.principal.Tenant, int64(lines), int64(size))
	if refusal != nil {
		return nil, refused(refusal)
	}
	return back, nil
}

// keyOf makes an idempotency key that of one user: the same request of another one
// makes other records.
func keyOf(key, user string) string {
	if key == "" {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(user), user, key))
	return "user:" + hex.EncodeToString(sum[:])
}

// markSubmitter says of records who sent them, whatever they say themselves. Whom they
// are about is nobody else: others see what is about them.
func markSubmitter(records []model.Record, name string) {
	const original = model.OriginalPrefix + auth.FieldSubject
	for i := range records {
		fields := slices.DeleteFunc(records[i].Fields, func(f model.Field) bool { return f.Name == auth.FieldSubmitter })
		if at := slices.IndexFunc(fields, func(f model.Field) bool { return f.Name == auth.FieldSubject }); at >= 0 && (fields[at].Kind != model.String || fields[at].Text != name) {
			said := fields[at]
			said.Name = original
			fields = slices.DeleteFunc(fields, func(f model.Field) bool { return f.Name == original || f.Name == auth.FieldSubject })
			fields = append(fields, said, model.Field{Name: auth.FieldSubject, Kind: model.String, Text: name})
		}
		records[i].Fields = append(fields, model.Field{Name: auth.FieldSubmitter, Kind: model.String, Text: name})
	}
}

// stored is the answer for one record.
func (r *request) stored(id model.RecordID, record *model.Record) v1.Stored {
	text := func(name string) string {
		f, _ := record.Get(name)
		return f.Text
	}
	about := enrich.Service{Store: r.server.cfg.Enrich}
	return v1.Stored{LogID: id.String(), Message: text(model.FieldMessage), Component: text(model.FieldComponent),
		Level: text(model.FieldLevel), Severity: text(model.FieldLevel), Category: string(about.CategoryOf(r.principal.Tenant, record))}
}

// rejectedOf names the rejections; the decoder bounds how many it describes,
// the count beside them is exact.
func rejectedOf(list []ndjson.Rejection) []v1.Rejected {
	out := make([]v1.Rejected, 0, len(list))
	for _, rejection := range list {
		out = append(out, v1.Rejected{Line: rejection.Line, Field: rejection.Field, Message: rejection.Message})
	}
	return out
}

// handleBulk is Elasticsearch's POST /_bulk.
func handleBulk(r *request) error {
	key, err := r.idempotencyKey()
	if err != nil {
		return err
	}
	text, release, err := r.readBody(r.server.cfg.BodyBytes)
	if err != nil {
		return err
	}
	defer release()
	releaseRecords, err := r.takeRecords(text, false)
	if err != nil {
		return err
	}
	defer releaseRecords()
	index, _ := r.ctx.UserValue("index").(string)
	now := r.server.cfg.Now()
	bulk, err := r.server.bulk.Decode(r.principal.Tenant, text, index, now)
	if err != nil {
		var malformed *elastic.Error
		if errors.As(err, &malformed) {
			return &problem{kind: kindValidation, message: malformed.Reason, cause: err}
		}
		return fmt.Errorf("decode bulk request: %w", err)
	}
	named := key == "" && bulk.Named()
	digest := digestOf(named || key != "", text, bulk.Records, bulk.Redacted()+r.unread(bulk.Rejected()), now)
	if named {
		key = bulkKey(index, digest)
	}
	result, err := r.write(key, digest, bulk.Records, len(text))
	var refusal *limits.Refusal
	if errors.As(err, &refusal) && refusal.Never {
		bulk.RefuseAll("illegal_argument_exception", refused(refusal).message)
	} else if err != nil {
		return err
	}
	r.server.meters.written(len(bulk.Records), bulk.Rejected())
	filter := string(r.ctx.QueryArgs().Peek("filter_path"))
	reply := elastic.AppendReply(nil, bulk, result.ID, r.server.cfg.Now().Sub(r.start), filter)
	r.sendRaw(fasthttp.StatusOK, bulkContentType(r.ctx), reply)
	r.server.bulk.Release(bulk) // as in handleWrite
	r.server.unpacker.Recycle(text)
	return nil
}

// bulkKey is the idempotency key of a bulk request whose documents all have
// ids: shippers that lost the answer send it again as it was.
func bulkKey(index string, digest [sha256.Size]byte) string {
	hash := sha256.New()
	_, _ = fmt.Fprintf(hash, "%d:%s", len(index), index) // a hash takes everything
	_, _ = hash.Write(digest[:])
	return "_bulk:" + hex.EncodeToString(hash.Sum(nil))
}

// bulkContentType answers in the versioned media type where the client asks
// for it, as Elasticsearch does.
func bulkContentType(ctx *fasthttp.RequestCtx) string {
	accept := string(ctx.Request.Header.Peek(fasthttp.HeaderAccept))
	const vendor = "application/vnd.elasticsearch+json"
	if strings.HasPrefix(accept, vendor) && len(accept) < len(vendor)+32 {
		return accept
	}
	return contentJSON
}

// elasticError renders an error as Elasticsearch does. A full disk is 503
// here: its clients retry that, and some drop on codes they do not know.
func elasticError(p *problem) (int, []byte) {
	var malformed *elastic.Error
	if errors.As(p.cause, &malformed) {
		return malformed.Status, malformed.Body()
	}
	status, kind := p.kind.status, "illegal_argument_exception"
	switch {
	case status == fasthttp.StatusInsufficientStorage:
		status, kind = fasthttp.StatusServiceUnavailable, "cluster_block_exception"
	case status == fasthttp.StatusTooManyRequests:
		kind = "es_rejected_execution_exception"
	case status == fasthttp.StatusUnauthorized, status == fasthttp.StatusForbidden:
		kind = "security_exception"
	case status == fasthttp.StatusNotFound, status == fasthttp.StatusMethodNotAllowed:
		kind = "resource_not_found_exception"
	case status >= 500:
		kind = "node_not_available_exception"
	case status == fasthttp.StatusRequestEntityTooLarge:
		kind = "content_too_long_exception"
	}
	reason := render.AppendString(nil, p.message)
	return status, fmt.Appendf(nil, `{"error":{"root_cause":[{"type":"%s","reason":%s}],"type":"%s","reason":%s},"status":%d}`, kind, reason, kind, reason, status)
}

// mediaType refuses what is clearly no log data and reports whether the body
// claims to be plain text. Everything else is told by its content.
func (r *request) mediaType() (plain bool, err error) {
	text := strings.ToLower(string(r.ctx.Request.Header.ContentType()))
	media, _, _ := strings.Cut(text, ";")
	media = strings.TrimSpace(media)
	family, sub, _ := strings.Cut(media, "/")
	switch family {
	case "multipart", "image", "audio", "video", "font", "model":
		return false, newProblem(kindMediaType, "%.100s is not a form of log records", media)
	}
	switch sub {
	case "xml", "html", "pdf", "zip", "csv":
		return false, newProblem(kindMediaType, "%.100s is not a form of log records", media)
	}
	return media == "text/plain", nil
}

func (r *request) idempotencyKey() (string, error) {
	key := r.ctx.Request.Header.Peek(v1.HeaderIdempotencyKey)
	if len(key) > v1.IdempotencyKeyBytesMax {
		return "", invalid(v1.HeaderIdempotencyKey, "has %d bytes, want at most %d", len(key), v1.IdempotencyKeyBytesMax)
	}
	return string(key), nil
}

// readBody reads and decompresses the body within limit. It takes memory as
// the body grows, so that one that comes slowly keeps no other waiting; release
// gives it back.
//
// Clients read no answer before they have sent everything, and one whose
// connection is closed meanwhile learns nothing. So a little of a body that is too
// large is taken, and thrown away.
func (r *request) readBody(limit int64) (text []byte, release func(), err error) {
	header := &r.ctx.Request.Header
	encoding := string(header.Peek(fasthttp.HeaderContentEncoding))
	length := int64(header.ContentLength()) // negative: chunked
	if length > limit {
		r.ctx.SetConnectionClose()
		if stream := r.ctx.RequestBodyStream(); stream != nil {
			_, _ = io.CopyN(io.Discard, stream, lingerBytes) // it is refused whatever comes
		}
		return nil, nil, newProblem(kindTooLarge, "the body has %d bytes, want at most %d", length, limit)
	}
	var source io.Reader
	if stream := r.ctx.RequestBodyStream(); stream != nil {
		source = &wholeBody{r: stream, left: length}
	} else {
		source = bytes.NewReader(r.ctx.PostBody())
	}
	taken := int64(0)
	release = func() { r.server.bodies.Give(taken) }
	text, err = r.server.unpacker.ReadMetered(source, length, encoding, limit, func(more int64) error {
		if !r.server.bodies.Take(more, r.server.cfg.BodyWait) {
			return newProblem(kindBusy, "no memory for the body within %v; nothing was accepted", r.server.cfg.BodyWait)
		}
		taken += more
		return nil
	})
	if err != nil {
		release()
		return nil, nil, bodyProblem(err, limit)
	}
	r.server.meters.bodyBytes.Add(len(text))
	if r.keeps {
		r.body = bytes.Clone(text[:min(len(text), searchBodyBytesMax)])
	}
	return text, release, nil
}

// lingerBytes is how much of a body that is too large is taken.
const lingerBytes = 8 << 20

// takeRecords takes memory for what a body decodes to; release gives it back.
// Who waits for it holds the memory of a body, who has it waits for nothing.
func (r *request) takeRecords(text []byte, asText bool) (release func(), err error) {
	taken := min(recordsEstimate(text, asText), r.server.cfg.RecordMemory)
	if !r.server.records.Take(taken, r.server.cfg.BodyWait) {
		return nil, newProblem(kindBusy, "no memory for the records within %v; nothing was accepted", r.server.cfg.BodyWait)
	}
	return func() { r.server.records.Give(taken) }, nil
}

// wholeBody makes a body that ends before its Content-Length an error: the
// client went away in the middle, and half a body may look like a whole one.
type wholeBody struct {
	r    io.Reader
	left int64 // negative if no length was announced
}

func (b *wholeBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left >= 0 {
		b.left = max(0, b.left-int64(n))
	}
	if err == io.EOF && b.left > 0 {
		return n, errCutOff
	}
	return n, err
}

var errCutOff = errors.New("the body ends before its Content-Length")

func bodyProblem(err error, limit int64) error {
	var timeout interface{ Timeout() bool }
	var busy *problem
	switch {
	case errors.As(err, &busy):
		return busy
	case errors.Is(err, body.ErrTooLarge):
		return newProblem(kindTooLarge, "the decompressed body has more than %d bytes", limit)
	case errors.As(err, &timeout) && timeout.Timeout():
		return newProblem(kindSlow, "the body did not arrive in time")
	}
	return &problem{kind: kindValidation, message: err.Error()}
}

// What a record and one of its fields take in memory at most, slices that grow
// by doubling included.
const (
	recordMemory = 128
	fieldMemory  = 40
)

// recordsEstimate bounds what a body decodes to without decoding it: every
// object begins with a brace and every member has a colon. It may be too much,
// for text with many braces and colons, but never far too little.
func recordsEstimate(text []byte, asText bool) int64 {
	if asText {
		return int64(bytes.Count(text, []byte{'\n'})+1) * (recordMemory + 2*fieldMemory)
	}
	return int64(bytes.Count(text, []byte{'{'})+1)*recordMemory + int64(bytes.Count(text, []byte{':'}))*fieldMemory
}

// crossService is what one service says of a call of another.
type crossService struct {
	Source      string         `json:"sourceService"`
	Target      string         `json:"targetService"`
	Operation   string         `json:"operation"`
	Data        map[string]any `json:"data"`
	Correlation string         `json:"correlationId"`
	Level       string         `json:"level"`
	Timestamp   any            `json:"timestamp"`
}

// record returns it as a record of POST /logs.
func (c *crossService) record(by string, known bool) map[string]any {
	message := c.Operation
	if message == "" {
		message = "call"
	}
	message += " by " + c.Source
	if c.Target != "" {
		message += " of " + c.Target
	}
	out := map[string]any{"message": message, "level": cmp.Or(c.Level, "info"), "category": "integration", "component": "cross-service", "sourceService": c.Source, "userId": by}
	for name, value := range map[string]string{"targetService": c.Target, "operation": c.Operation, "correlationId": c.Correlation} {
		if value != "" {
			out[name] = value
		}
	}
	if c.Target != "" {
		out["targetKnown"] = known
	}
	if len(c.Data) > 0 {
		out["data"] = c.Data
	}
	if c.Timestamp != nil {
		out["timestamp"] = c.Timestamp
	}
	return out
}

// crossServicesMax is how many calls one request tells of.
const crossServicesMax = 1000

// handleCrossService is POST /integration/cross-service: calls between services, one or
// an array, become records.
func handleCrossService(r *request) error {
	if r.server.alert == nil {
		return newProblem(kindUnavailable, "this node keeps no services")
	}
	text, release, err := r.readBody(searchBodyBytesMax)
	if err != nil {
		return err
	}
	defer release()
	var calls []crossService
	single := !bytes.HasPrefix(bytes.TrimSpace(text), []byte{'['})
	if single {
		calls = make([]crossService, 1)
		err = json.Unmarshal(text, &calls[0])
	} else {
		err = json.Unmarshal(text, &calls)
	}
	if err != nil {
		return invalid("body", "want an object, or an array of objects: %v", err)
	}
	if len(calls) == 0 || len(calls) > crossServicesMax {
		return invalid("body", "an array of %d calls, want 1 to %d", len(calls), crossServicesMax)
	}
	known := map[string]bool{}
	for _, s := range r.server.alert.Desk.Services(r.principal.Tenant) {
		known[s.Registered.Name] = s.Logs()
	}
	var lines []byte
	for i := range calls {
		may, there := known[calls[i].Source]
		if !there || !may {
			return invalid("sourceService", "entry %d: %.64q is not a registered service that may log: register it with POST /integration/services, with the capability logging or none", i+1, calls[i].Source)
		}
		_, target := known[calls[i].Target]
		line, err := json.Marshal(calls[i].record(r.principal.Name, target))
		if err != nil {
			return fmt.Errorf("encode a call: %w", err)
		}
		lines = append(append(lines, line...), '\n')
	}
	releaseRecords, err := r.takeRecords(lines, false)
	if err != nil {
		return err
	}
	defer releaseRecords()
	decoded, err := r.server.decoder.Decode(r.principal.Tenant, nil, lines, r.server.cfg.Now())
	if err != nil {
		return fmt.Errorf("decode body: %w", err)
	}
	if err := unusable(lines, decoded); err != nil {
		return err
	}
	result, err := r.write("", [sha256.Size]byte{}, decoded.Records, len(lines))
	if err != nil {
		return err
	}
	r.server.meters.written(len(decoded.Records), decoded.Refused)
	if single {
		r.sendData(fasthttp.StatusCreated, map[string]string{"logId": result.ID(0).String(), "correlationId": calls[0].Correlation})
		return nil
	}
	r.sendData(fasthttp.StatusCreated, v1.Written{Accepted: len(decoded.Records), Rejected: decoded.Refused, Errors: rejectedOf(decoded.Rejected)})
	return nil
}
