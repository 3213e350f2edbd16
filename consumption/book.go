package consumption

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
)

// Tenant has the records of what all others use.
const Tenant model.TenantID = "_usage"

// Limits of a Book.
const (
	flushInterval  = 10 * time.Second
	storedInterval = 5 * time.Minute // between two looks at what is stored
	storedAgain    = 6 * time.Hour   // after which it is said again what has not changed
	viewInterval   = time.Minute     // between two looks at the sums of all nodes
	tenantsMax     = 16_384          // that are counted at once; the rest is counted together
	// late is how long after a day its records may still come.
	late = time.Hour
	// DaysMax is how many days a report has at most.
	DaysMax = 400
)

// others is who is counted instead of tenants that are too many.
const others model.TenantID = "_others"

// Amount is what was used.
type Amount struct {
	Lines     int64 // records that were stored
	BytesIn   int64 // of their bodies, decompressed
	Queries   int64
	BytesRead int64 // of the answers to them
}

func (a *Amount) add(b Amount) {
	a.Lines += b.Lines
	a.BytesIn += b.BytesIn
	a.Queries += b.Queries
	a.BytesRead += b.BytesRead
}

// Day is what a tenant used on a day.
type Day struct {
	Tenant model.TenantID
	Date   string // 2006-01-02, UTC
	Amount
	Stored int64 // bytes of its segments, each once; the most on that day
}

// Config of a Book; Write and Search are needed.
type Config struct {
	Node   string
	Write  func(ctx context.Context, request ingest.Request) (ingest.Result, error)
	Search func(ctx context.Context, request query.Request) (*query.Result, error)
	// Stored returns how many bytes tenants have in the shards that are led here.
	Stored func() map[model.ShardID]map[model.TenantID]int64
	// Disk returns how much of this node's disk is taken, and how much can be; ok is false
	// where that is not known.
	Disk   func() (disk Disk, ok bool)
	Logger *slog.Logger     // default: discard
	Now    func() time.Time // default: time.Now
}

// Book counts.
type Book struct {
	cfg     Config
	epoch   uint64 // of this process: a key of a write is never used again
	flushed uint64
	// writing has a value while something is written; it is taken before mu. No mutex, since
	// shards are waited for meanwhile: who waits for a mutex stops the time of a simulation.
	writing chan struct{}

	mu struct {
		sync.Mutex
		open  map[entry]Amount // not written yet
		today map[model.TenantID]Amount
		since map[model.TenantID]Amount // counted here since today was summed
		held  map[model.TenantID]int64  // bytes that are stored
		date  string                    // of today
	}
	told    map[place]said  // what was said last of what is stored
	disk    saidDisk        // what was said last of the disk
	pending *ingest.Request // whose answer was none: it is sent again as it was
}

type entry struct {
	tenant model.TenantID
	date   string
}

type place struct {
	tenant model.TenantID
	shard  model.ShardID
}

type said struct {
	bytes int64
	at    time.Time
}

// New returns a book.
func New(cfg Config) *Book {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Book{cfg: cfg, epoch: uint64(cfg.Now().UnixNano()), told: map[place]said{}, writing: make(chan struct{}, 1)}
	b.mu.open = map[entry]Amount{}
	b.mu.today, b.mu.since, b.mu.held = map[model.TenantID]Amount{}, map[model.TenantID]Amount{}, map[model.TenantID]int64{}
	return b
}

func (b *Book) date() string { return b.cfg.Now().UTC().Format(time.DateOnly) }

// Add counts something, now.
func (b *Book) Add(tenant model.TenantID, amount Amount) {
	date := b.date()
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, there := b.mu.open[entry{tenant, date}]; !there && len(b.mu.open) >= tenantsMax {
		tenant = others
	}
	if counted, there := b.mu.since[tenant]; there || tenant == others || len(b.mu.since) < tenantsMax { // the sums will not come for a while
		counted.add(amount)
		b.mu.since[tenant] = counted
	}
	sum := b.mu.open[entry{tenant, date}]
	sum.add(amount)
	b.mu.open[entry{tenant, date}] = sum
}

// Now returns what a tenant has used today and has stored, about: as of the last look
// at the sums of all nodes, and what was counted here since.
func (b *Book) Now(tenant model.TenantID) Day {
	date := b.date()
	b.mu.Lock()
	defer b.mu.Unlock()
	day := Day{Tenant: tenant, Date: date, Stored: b.mu.held[tenant]}
	if b.mu.date == date {
		day.Amount = b.mu.today[tenant]
	}
	day.add(b.mu.since[tenant])
	return day
}

// Run writes down what was counted, and looks at the sums, until the context ends.
func (b *Book) Run(ctx context.Context) error {
	flush, look := time.NewTicker(flushInterval), time.NewTimer(0)
	defer flush.Stop()
	defer look.Stop()
	var measured time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-flush.C:
			b.flush(ctx)
			if now := b.cfg.Now(); now.Sub(measured) >= storedInterval {
				measured = now
				b.measure(ctx)
			}
		case <-look.C:
			b.look(ctx)
			look.Reset(viewInterval)
		}
	}
}

// Flush writes down what was counted so far.
func (b *Book) Flush(ctx context.Context) { b.flush(ctx) }

func (b *Book) flush(ctx context.Context) {
	b.writing <- struct{}{}
	defer func() { <-b.writing }()
	if err := b.again(ctx); err != nil {
		b.cfg.Logger.Warn("what tenants used is not written down yet", "error", err)
		return
	}
	b.mu.Lock()
	open := b.mu.open
	b.mu.open = map[entry]Amount{}
	b.mu.Unlock()
	if len(open) == 0 {
		return
	}
	now := b.cfg.Now().UnixNano()
	var records []model.Record
	for e, a := range open {
		records = append(records, b.record(now, "usage", e.tenant, e.date,
			number("lines", a.Lines), number("bytesIn", a.BytesIn), number("queries", a.Queries), number("bytesRead", a.BytesRead)))
	}
	if err := b.write(ctx, records); err != nil {
		b.cfg.Logger.Warn("what tenants used is not written down yet", "error", err)
	}
}

// Disk is the disk of a node, in bytes.
type Disk struct {
	Used  int64 // by whatever it has
	Limit int64 // at which records are refused
}

// DiskDay is how a node's disk was at the end of a day.
type DiskDay struct {
	Node string
	Date string // 2006-01-02, UTC
	Disk
}

type saidDisk struct {
	Disk
	at time.Time
}

// diskInterval is how often it is said at most how full the disk is.
const diskInterval = time.Hour

// diskRecords says how full the disk is, if that has changed, or nothing was said for long.
func (b *Book) diskRecords(now time.Time) []model.Record {
	if b.cfg.Disk == nil {
		return nil
	}
	disk, ok := b.cfg.Disk()
	before := b.disk
	since := now.Sub(before.at)
	moved := max(disk.Used, before.Used) - min(disk.Used, before.Used)
	if !ok || since < diskInterval && before.at.UTC().Day() == now.UTC().Day() ||
		since < storedAgain && before.at.UTC().Day() == now.UTC().Day() && before.Limit == disk.Limit && moved <= disk.Limit/100 {
		return nil
	}
	b.disk = saidDisk{disk, now}
	return []model.Record{b.record(now.UnixNano(), "disk", Tenant, now.UTC().Format(time.DateOnly), number("used", disk.Used), number("limit", disk.Limit))}
}

// Disks returns how full disks were at the ends of days, by node and day.
func (b *Book) Disks(ctx context.Context, from, to time.Time) ([]DiskDay, error) {
	var days []DiskDay
	err := b.sums(ctx, "kind:=disk | stats last(used) as used, last(limit) as limit by (node, day)", from, to, func(name, date string, row []any) {
		days = append(days, DiskDay{Node: name, Date: date, Disk: Disk{Used: whole(row[2]), Limit: whole(row[3])}})
	})
	slices.SortFunc(days, func(a, b DiskDay) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Date, b.Date)) })
	return days, err
}

// measure says of the shards that are led here how much each tenant has in them,
// where that has changed.
func (b *Book) measure(ctx context.Context) {
	b.writing <- struct{}{}
	defer func() { <-b.writing }()
	if b.again(ctx) != nil {
		return // it was said
	}
	now := b.cfg.Now()
	records := b.diskRecords(now)
	next := map[place]said{}
	var stored map[model.ShardID]map[model.TenantID]int64
	if b.cfg.Stored != nil {
		stored = b.cfg.Stored()
	}
	for shard, tenants := range stored {
		for tenant, bytes := range tenants {
			if tenant == Tenant {
				continue // to say it would change it: a node at rest would never be
			}
			at := place{tenant, shard}
			before, there := b.told[at]
			if there && now.Sub(before.at) < storedAgain && before.at.UTC().Day() == now.UTC().Day() && max(bytes, before.bytes)-min(bytes, before.bytes) <= before.bytes/100 {
				next[at] = before
				continue
			}
			next[at] = said{bytes, now}
			records = append(records, b.record(now.UnixNano(), "stored", tenant, now.UTC().Format(time.DateOnly),
				number("shard", int64(shard)), number("bytes", bytes)))
		}
	}
	for at, before := range b.told {
		if _, there := next[at]; there || before.bytes == 0 {
			continue
		}
		next[at] = said{0, now}
		if _, led := stored[at.shard]; led { // all of it has gone; else who leads the shard says what there is
			records = append(records, b.record(now.UnixNano(), "stored", at.tenant, now.UTC().Format(time.DateOnly),
				number("shard", int64(at.shard)), number("bytes", 0)))
		}
	}
	if err := b.write(ctx, records); err != nil {
		b.cfg.Logger.Warn("what tenants have stored is not written down yet", "error", err)
	}
	b.told = next
}

func number(name string, n int64) model.Field {
	return model.Field{Name: name, Kind: model.Number, Text: strconv.FormatInt(n, 10)}
}

func (b *Book) record(now int64, kind string, tenant model.TenantID, date string, fields ...model.Field) model.Record {
	text := func(name, text string) model.Field {
		return model.Field{Name: name, Kind: model.String, Text: text}
	}
	return model.Record{Time: now, TimeDigits: 9, Fields: append([]model.Field{
		text("kind", kind), text("tenant", string(tenant)), text("day", date), text("node", b.cfg.Node),
	}, fields...)}
}

// write stores records, once, whatever becomes of answers.
func (b *Book) write(ctx context.Context, records []model.Record) error {
	if len(records) == 0 {
		return nil
	}
	b.flushed++
	key := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, b.epoch), b.flushed)
	b.pending = &ingest.Request{Tenant: Tenant, Key: "usage " + b.cfg.Node + " " + hex.EncodeToString(key), Records: records}
	return b.again(ctx)
}

// again sends what has no answer yet.
func (b *Book) again(ctx context.Context) error {
	if b.pending == nil {
		return nil
	}
	if _, err := b.cfg.Write(ctx, *b.pending); err != nil {
		return fmt.Errorf("write down usage: %w", err)
	}
	b.pending = nil
	return nil
}

// look sums up the day for all tenants.
func (b *Book) look(ctx context.Context) {
	b.mu.Lock()
	date := b.date()
	before := maps.Clone(b.mu.since)
	b.mu.Unlock()
	now := b.cfg.Now()
	days, err := b.Days(ctx, "", now, now)
	if err != nil {
		b.cfg.Logger.Debug("what tenants used cannot be summed up now", "error", err)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.date = date
	b.mu.today, b.mu.held = map[model.TenantID]Amount{}, map[model.TenantID]int64{}
	for _, day := range days {
		b.mu.today[day.Tenant], b.mu.held[day.Tenant] = day.Amount, day.Stored
	}
	// What was written before the sums is in them; the rest is still open.
	for tenant := range before {
		delete(b.mu.since, tenant)
	}
	for e, a := range b.mu.open {
		if e.date == date {
			b.mu.since[e.tenant] = a
		}
	}
}

// Today returns what a tenant has used today, as it is written down on all nodes.
func (b *Book) Today(ctx context.Context, tenant model.TenantID) (Amount, error) {
	now := b.cfg.Now()
	days, err := b.Days(ctx, tenant, now, now)
	if err != nil || len(days) == 0 {
		return Amount{}, err
	}
	return days[0].Amount, nil
}

// Days returns what was used on the days from one to another, of a tenant or of all,
// by tenant and day.
func (b *Book) Days(ctx context.Context, tenant model.TenantID, from, to time.Time) ([]Day, error) {
	of := ""
	if tenant != "" {
		of = fmt.Sprintf(" tenant:=%q", string(tenant))
	}
	days := map[entry]Day{}
	ask := func(text string, take func(row []any, day *Day)) error {
		return b.sums(ctx, text, from, to, func(name, date string, row []any) {
			at := entry{model.TenantID(name), date}
			day := days[at]
			day.Tenant, day.Date = at.tenant, date
			take(row, &day)
			days[at] = day
		})
	}
	err := ask("kind:=usage"+of+" | stats sum(lines) as lines, sum(bytesIn) as bytesIn, sum(queries) as queries, sum(bytesRead) as bytesRead by (tenant, day)",
		func(row []any, day *Day) {
			day.Lines, day.BytesIn, day.Queries, day.BytesRead = whole(row[2]), whole(row[3]), whole(row[4]), whole(row[5])
		})
	if err == nil {
		err = ask("kind:=stored"+of+" | stats last(bytes) as bytes by (tenant, day, shard)",
			func(row []any, day *Day) { day.Stored += whole(row[3]) })
	}
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(days), func(a, b Day) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Date, b.Date))
	}), nil
}

// sums asks for sums by a name and the days from one to another.
func (b *Book) sums(ctx context.Context, text string, from, to time.Time, take func(name, date string, row []any)) error {
	first, last := from.UTC().Truncate(24*time.Hour), to.UTC().Truncate(24*time.Hour)
	result, err := b.cfg.Search(ctx, query.Request{
		Audience: query.Audience{Tenant: Tenant}, Text: text, Whole: true, Who: "usage",
		From: first.UnixNano(), To: last.Add(24*time.Hour + late).UnixNano(),
	})
	if err != nil {
		return fmt.Errorf("sum up usage: %w", err)
	}
	if !result.Complete {
		return fmt.Errorf("sum up usage: %w: %s", query.ErrIncomplete, result.Reason)
	}
	for _, row := range result.Rows {
		if date, _ := row[1].(string); date >= first.Format(time.DateOnly) && date <= last.Format(time.DateOnly) {
			name, _ := row[0].(string)
			take(name, date, row)
		}
	}
	return nil
}

// whole reads a number of a table.
func whole(cell any) int64 {
	switch n := cell.(type) {
	case int64:
		return n
	case float64:
		return int64(n)
	case nil:
		return 0
	}
	n, _ := strconv.ParseFloat(fmt.Sprint(cell), 64)
	return int64(n)
}
