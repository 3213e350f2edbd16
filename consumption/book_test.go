package consumption

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
)

// shelf stores what books write, once for each key, and loses answers.
type shelf struct {
	mu      sync.Mutex
	random  *rand.Rand
	keys    map[string]bool
	records []model.Record
}

func (s *shelf) write(_ context.Context, request ingest.Request) (ingest.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.random.IntN(3) == 0 {
		return ingest.Result{}, ingest.ErrUnavailable
	}
	if !s.keys[request.Key] {
		s.records = append(s.records, request.Records...)
		s.keys[request.Key] = true
	}
	if s.random.IntN(3) == 0 {
		return ingest.Result{}, ingest.ErrUnavailable
	}
	return ingest.Result{}, nil
}

func (s *shelf) sum(t *testing.T, kind, field, tenant, day string) (sum int64) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.records {
		text := func(name string) string { f, _ := s.records[i].Get(name); return f.Text }
		if text("kind") != kind || text("tenant") != tenant || day != "" && text("day") != day {
			continue
		}
		n, err := strconv.ParseInt(text(field), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// TestEverythingIsWrittenOnce counts over midnight while writes fail, before and after
// they are done: what is written down is what was counted, by day.
func TestEverythingIsWrittenOnce(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			s := &shelf{random: rand.New(rand.NewPCG(seed, 1)), keys: map[string]bool{}}
			book := New(Config{Node: "n", Write: s.write, Search: func(context.Context, query.Request) (*query.Result, error) { return nil, query.ErrIncomplete },
				Stored: func() map[model.ShardID]map[model.TenantID]int64 {
					return map[model.ShardID]map[model.TenantID]int64{1: {"a": 1000}, 2: {"a": 500}}
				}})
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { _ = book.Run(ctx) })
			time.Sleep(23*time.Hour + 50*time.Minute)
			random := rand.New(rand.NewPCG(seed, 2))
			want := map[string]int64{}
			for range 1200 {
				n := random.Int64N(100)
				want[time.Now().UTC().Format(time.DateOnly)] += n
				book.Add("a", Amount{Lines: n, BytesIn: 10 * n, Queries: 1})
				time.Sleep(time.Second)
			}
			if now := book.Now("a"); now.Lines == 0 || now.Lines > want["2000-01-01"]+want["2000-01-02"] {
				t.Errorf("seed %d: now %+v", seed, now)
			}
			time.Sleep(5 * time.Minute)
			stop()
			running.Wait()
			for range 100 {
				book.Flush(t.Context())
			}
			for day, lines := range want {
				if got := s.sum(t, "usage", "lines", "a", day); got != lines {
					t.Errorf("seed %d: %d lines on %s, want %d", seed, got, day, lines)
				}
			}
			if len(want) != 2 || s.sum(t, "usage", "queries", "a", "") != 1200 {
				t.Errorf("seed %d: %v, %d queries", seed, want, s.sum(t, "usage", "queries", "a", ""))
			}
			if got := s.sum(t, "stored", "bytes", "a", "2000-01-02"); got != 1500 {
				t.Errorf("seed %d: %d bytes stored, said once a day, want 1500", seed, got)
			}
		})
	}
}

// TestManyTenants counts those together that are too many.
func TestManyTenants(t *testing.T) {
	book := New(Config{Node: "n"})
	for i := range 2 * tenantsMax {
		book.Add(model.TenantID("t"+strconv.Itoa(i)), Amount{Lines: 1})
	}
	if len(book.mu.open) > tenantsMax+1 || book.Now(others).Lines != tenantsMax {
		t.Errorf("%d tenants, %d lines of others", len(book.mu.open), book.Now(others).Lines)
	}
}

// TestStoredThatIsGone says of a tenant whose records are all deleted that nothing is
// left, once, and nothing of a shard that somebody else leads.
func TestStoredThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		stored := map[model.ShardID]map[model.TenantID]int64{1: {"t": 5, "u": 6}, 2: {"t": 7}}
		b := New(Config{Node: "n", Stored: func() map[model.ShardID]map[model.TenantID]int64 { return stored },
			Write: func(_ context.Context, request ingest.Request) (ingest.Result, error) {
				for i := range request.Records {
					text := func(name string) string { f, _ := request.Records[i].Get(name); return f.Text }
					said = append(said, text("tenant")+" "+text("shard")+" "+text("bytes"))
				}
				return ingest.Result{}, nil
			}})
		b.measure(t.Context())
		said = nil
		stored = map[model.ShardID]map[model.TenantID]int64{1: {"u": 6}}
		for range 3 {
			time.Sleep(storedInterval)
			b.measure(t.Context())
		}
		if len(said) != 1 || said[0] != "t 1 0" {
			t.Errorf("%q", said)
		}
		stored = map[model.ShardID]map[model.TenantID]int64{1: {"t": 5, "u": 6}}
		if b.measure(t.Context()); len(said) != 2 || said[1] != "t 1 5" {
			t.Errorf("%q", said)
		}
	})
}

// TestManyTenantsWithoutSums counts a bounded number of tenants apart, also where sums cannot be
// had for long.
func TestManyTenantsWithoutSums(t *testing.T) {
	b := New(Config{Node: "n", Write: func(context.Context, ingest.Request) (ingest.Result, error) { return ingest.Result{}, nil }})
	const all = 2*tenantsMax + 10
	for i := range all {
		if b.Add(model.TenantID(strconv.Itoa(i)), Amount{Lines: 1}); i == all/2 {
			b.flush(t.Context())
		}
	}
	if len(b.mu.open) > tenantsMax+1 || len(b.mu.since) > tenantsMax+1 {
		t.Errorf("%d and %d are known", len(b.mu.open), len(b.mu.since))
	}
}

// TestBookAtRest writes nothing where nothing happens but that it has written.
func TestBookAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		written := 0
		b := New(Config{Node: "n", Stored: func() map[model.ShardID]map[model.TenantID]int64 {
			return map[model.ShardID]map[model.TenantID]int64{1: {"t": 1000, Tenant: int64(written) * 100}}
		}, Write: func(_ context.Context, request ingest.Request) (ingest.Result, error) {
			written += len(request.Records)
			return ingest.Result{}, nil
		}, Search: func(context.Context, query.Request) (*query.Result, error) { return &query.Result{Complete: true}, nil }})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Hour)
		defer cancel()
		if err := b.Run(ctx); err != nil || written != 1 {
			t.Errorf("%d records in five hours, %v", written, err)
		}
	})
}

// TestDisk says how full the disk is: once a day, when that has changed, and not all the time.
func TestDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		disk, known := Disk{Used: 100, Limit: 1_000}, true
		b := New(Config{Node: "n", Disk: func() (Disk, bool) { return disk, known },
			Write: func(_ context.Context, request ingest.Request) (ingest.Result, error) {
				for i := range request.Records {
					text := func(name string) string { f, _ := request.Records[i].Get(name); return f.Text }
					said = append(said, text("kind")+" "+text("day")+" "+text("used")+" "+text("limit"))
				}
				return ingest.Result{}, nil
			}})
		for _, c := range []struct {
			after time.Duration
			used  int64
			known bool
			want  string // what is said
		}{
			{0, 100, true, "disk 2000-01-01 100 1000"}, {30 * time.Minute, 500, true, ""}, {31 * time.Minute, 505, true, "disk 2000-01-01 505 1000"}, {2 * time.Hour, 510, true, ""},
			{5 * time.Hour, 511, false, ""}, {time.Minute, 511, true, "disk 2000-01-01 511 1000"}, {5*time.Hour + 50*time.Minute, 511, true, ""}, {10*time.Hour + 10*time.Minute, 511, true, "disk 2000-01-02 511 1000"},
		} {
			time.Sleep(c.after)
			disk.Used, known, said = c.used, c.known, nil
			if b.measure(t.Context()); strings.Join(said, ",") != c.want {
				t.Errorf("%s: %q, want %q", time.Now().UTC(), said, c.want)
			}
		}
	})
}
