package tail_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/tail"
)

// shard is one shard whose records come at once, each in a log entry of its own.
type shard struct {
	come  chan int // records that may have come by now
	count atomic.Int64
	lost  uint64 // log index up to which a segment is missing
	load  int    // bytes of each record
}

func (s *shard) ShardsOf(model.TenantID) []model.ShardID { return []model.ShardID{0} }

func (s *shard) Follow(ctx context.Context, q *query.FollowQuery) (*query.Followed, error) {
	if len(q.Filters) > 0 && q.After.Index >= uint64(s.count.Load()) && q.Wait > 0 {
		select {
		case n := <-s.come:
			s.count.Store(int64(n))
		case <-time.After(q.Wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	count := uint64(s.count.Load())
	answer := &query.Followed{Upto: model.MarkEnd(count)}
	if q.After.NextIndex() <= s.lost {
		answer.Missing = 1
	}
	for i := q.After.NextIndex(); i <= count && len(q.Filters) > 0 && len(answer.Records) < q.Records; i++ {
		if id := (model.RecordID{Index: i}); id.Mark().Compare(q.After) > 0 {
			one := exec.Followed{ID: id}
			for n := range q.Filters {
				one.Filters = append(one.Filters, n)
			}
			if s.load > 0 {
				one.Record.Fields = []model.Field{{Name: "message", Kind: model.String, Text: strings.Repeat("x", s.load)}}
			}
			answer.Records = append(answer.Records, one)
		}
		answer.Upto = model.MarkEnd(i)
	}
	answer.More = answer.Upto.Compare(model.MarkEnd(count)) < 0
	return answer, nil
}

// TestSlowClient looks at what a client is told that takes nothing while more
// comes than waits for it: every record is shown, or counted as dropped.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shard{come: make(chan int)}
		hub := tail.NewHub(tail.Config{Shards: s, Buffer: 100})
		defer hub.Close()
		slow, err := hub.Open(t.Context(), tail.Request{Audience: query.Audience{Tenant: "default"}})
		if err != nil {
			t.Fatal(err)
		}
		defer slow.Close()
		if event, err := slow.Next(t.Context()); err != nil || len(event.Lines) > 0 || event.Cursor == "" {
			t.Fatalf("the first event is %+v, %v; want a heartbeat", event, err)
		}
		const total = 1000
		for n := 10; n <= total; n += 10 {
			s.come <- n
			synctest.Wait()
		}
		var shown, dropped uint64
		last := uint64(0)
		for shown+dropped < total {
			event, err := slow.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			dropped += event.Dropped
			if event.Total != dropped {
				t.Errorf("the total of dropped records is %d, want %d", event.Total, dropped)
			}
			for _, line := range event.Lines {
				if line.ID.Index <= last {
					t.Fatalf("record %d comes after %d", line.ID.Index, last)
				}
				last = line.ID.Index
				shown++
			}
		}
		if shown != 100 || dropped != total-100 {
			t.Errorf("%d records are shown and %d dropped, want 100, as many as wait, and %d", shown, dropped, total-100)
		}
		s.come <- total + 1
		event, err := slow.Next(t.Context())
		if err != nil || len(event.Lines) != 1 || event.Lines[0].ID.Index != total+1 {
			t.Fatalf("after that comes %+v, %v", event, err)
		}
		// What was dropped is not shown again, what came later is.
		again, err := hub.Open(t.Context(), tail.Request{Audience: query.Audience{Tenant: "default"}, Cursor: event.Lines[0].Cursor})
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		s.come <- total + 3
		for want := uint64(total + 2); want <= total+3; {
			event, err := again.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range event.Lines {
				if line.ID.Index != want {
					t.Fatalf("record %d is shown, want %d", line.ID.Index, want)
				}
				want++
			}
		}
		hub.Close()
		if _, err := slow.Next(t.Context()); !errors.Is(err, tail.ErrClosed) {
			t.Errorf("after the end: %v, want ErrClosed", err)
		}
	})
}

// TestMissing looks at what a client is told that comes back and has missed
// records that cannot be read: that they are missing, once, with what there is.
func TestMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shard{come: make(chan int)}
		hub := tail.NewHub(tail.Config{Shards: s})
		defer hub.Close()
		first, err := hub.Open(t.Context(), tail.Request{Audience: query.Audience{Tenant: "default"}})
		if err != nil {
			t.Fatal(err)
		}
		event, err := first.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		first.Close()
		const total = 3000 // more than one event has
		s.count.Store(total)
		s.lost = total - 1
		again, err := hub.Open(t.Context(), tail.Request{Audience: query.Audience{Tenant: "default"}, Cursor: event.Cursor})
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		shown, told := 0, 0
		for shown < total {
			event, err := again.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			shown += len(event.Lines)
			for _, missing := range event.Missing {
				if told++; missing != (tail.Missing{Shard: 0, Segments: 1}) {
					t.Errorf("told %+v, want one segment of shard 0", missing)
				}
			}
		}
		if shown != total || told != 1 {
			t.Errorf("shown %d records and told %d times what is missing, want %d and once", shown, told, total)
		}
	})
}

// oneGone is two shards, of which the second cannot be followed.
type oneGone struct {
	*shard
	gone atomic.Bool
}

func (o *oneGone) ShardsOf(model.TenantID) []model.ShardID { return []model.ShardID{0, 1} }

func (o *oneGone) Follow(ctx context.Context, q *query.FollowQuery) (*query.Followed, error) {
	if q.Shard == 1 && o.gone.Load() {
		return nil, errors.New("gone")
	}
	if q.Shard == 1 {
		return &query.Followed{}, nil
	}
	return o.shard.Follow(ctx, q)
}

// TestBehindAmongRecords checks that a client to whom records come without a
// pause is told which shards cannot be followed.
func TestBehindAmongRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &oneGone{shard: &shard{come: make(chan int)}}
		hub := tail.NewHub(tail.Config{Shards: s})
		defer hub.Close()
		opened, err := hub.Open(t.Context(), tail.Request{Audience: query.Audience{Tenant: "default"}})
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		s.gone.Store(true)
		ctx, stop := context.WithCancel(t.Context())
		var writing sync.WaitGroup
		defer writing.Wait()
		defer stop()
		writing.Go(func() {
			for n := 1; ctx.Err() == nil; n++ {
				select {
				case s.come <- n:
				case <-ctx.Done():
				}
				time.Sleep(time.Second)
			}
		})
		lines := 0
		for lines < 30 {
			event, err := opened.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			lines += len(event.Lines)
			if len(event.Behind) == 1 && event.Behind[0] == 1 && lines > 0 {
				return
			}
		}
		t.Errorf("after %d records, one a second, nothing was said", lines)
	})
}

// busy is two shards: to the first one something comes all the time, perhaps faster
// than it is asked for.
type busy struct {
	first, second atomic.Uint64
	more          bool
}

func (b *busy) ShardsOf(model.TenantID) []model.ShardID { return []model.ShardID{0, 1} }

func (b *busy) Follow(ctx context.Context, q *query.FollowQuery) (*query.Followed, error) {
	count := &b.first
	if q.Shard == 1 {
		count = &b.second
	} else if len(q.Filters) > 0 {
		b.first.Add(1)
	}
	answer := &query.Followed{Upto: model.MarkEnd(count.Load())}
	for i := q.After.NextIndex(); i <= count.Load() && len(q.Filters) > 0; i++ {
		one := exec.Followed{ID: model.RecordID{Shard: q.Shard, Index: i}}
		for n := range q.Filters {
			one.Filters = append(one.Filters, n)
		}
		answer.Records = append(answer.Records, one)
	}
	answer.More = b.more && q.Shard == 0
	if len(answer.Records) == 0 && q.Wait > 0 {
		select {
		case <-time.After(q.Wait):
		case <-ctx.Done():
		}
	}
	return answer, ctx.Err()
}

// TestBusyShard checks that a client that comes back is shown what it has missed of
// a shard, whatever comes to another one meanwhile.
func TestBusyShard(t *testing.T) {
	for _, more := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := &busy{more: more}
			hub := tail.NewHub(tail.Config{Shards: s})
			defer hub.Close()
			first, err := hub.Open(t.Context(), tail.Request{Audience: query.Audience{Tenant: "default"}})
			if err != nil {
				t.Fatal(err)
			}
			event, err := first.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			first.Close()
			s.second.Store(1)
			again, err := hub.Open(t.Context(), tail.Request{Audience: query.Audience{Tenant: "default"}, Cursor: event.Cursor})
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			for want := uint64(1); want <= 3; want++ { // missed, then new
				s.second.Store(want)
				if !showsOf(t, again, 1, want) {
					t.Fatalf("more %v: record %d of the second shard is not shown", more, want)
				}
			}
		})
	}
}

// showsOf reports whether one of the next events has a record of a shard.
func showsOf(t *testing.T, opened *tail.Tail, shard model.ShardID, index uint64) bool {
	t.Helper()
	for range 1000 {
		time.Sleep(10 * time.Millisecond) // so that no more comes than is shown, and questions end
		event, err := opened.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range event.Lines {
			if line.ID.Shard == shard && line.ID.Index == index {
				return true
			}
		}
	}
	return false
}

func TestLimits(t *testing.T) {
	hub := tail.NewHub(tail.Config{Shards: &shard{}, Tails: 3, TenantTails: 2, BacklogMax: 5})
	defer hub.Close()
	for i, want := range []error{nil, nil, tail.ErrTooMany} {
		if _, err := hub.Open(t.Context(), tail.Request{Audience: query.Audience{Tenant: "a"}}); !errors.Is(err, want) {
			t.Errorf("tail %d of tenant a: %v, want %v", i, err, want)
		}
	}
	b, err := hub.Open(t.Context(), tail.Request{Audience: query.Audience{Tenant: "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hub.Open(t.Context(), tail.Request{Audience: query.Audience{Tenant: "c"}}); !errors.Is(err, tail.ErrTooMany) {
		t.Errorf("a fourth tail: %v, want ErrTooMany", err)
	}
	b.Close()
	b.Close()
	if _, err := hub.Open(t.Context(), tail.Request{Audience: query.Audience{Tenant: "c"}}); err != nil {
		t.Errorf("after one was closed: %v", err)
	}
	for _, request := range []tail.Request{{Backlog: 6}, {Backlog: -1}, {Backlog: 1, Since: 1}, {Cursor: "x"}, {Text: "* | stats count()"}, {Text: "* | sort a"}, {Text: "("}} {
		request.Tenant = "d"
		if _, err := hub.Open(t.Context(), request); err == nil || errors.Is(err, tail.ErrTooMany) {
			t.Errorf("%+v: %v, want a fault of the request", request, err)
		}
	}
	if stats := hub.Stats(); stats.Tails != 3 || stats.Refused != 2 {
		t.Errorf("the figures are %+v", stats)
	}
}

// TestSlowClients looks at clients that take nothing while more comes than may
// wait on the node: all together hold no more than that, each has its share, and
// what is left out is counted. In the end nothing waits.
func TestSlowClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const room, record, tails, total = 1 << 20, 4 << 10, 8, 1000
		s := &shard{come: make(chan int), load: record}
		hub := tail.NewHub(tail.Config{Shards: s, NodeBytes: room})
		defer hub.Close()
		var all []*tail.Tail
		for i := range tails {
			// Filters of their own, so that nothing is shared.
			opened, err := hub.Open(t.Context(), tail.Request{Audience: query.Audience{Tenant: "default"}, Text: fmt.Sprintf("* | fields message, f%d", i)})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, opened)
			if _, err := opened.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for n := 1; n <= total; n++ {
			s.come <- n
			synctest.Wait()
			if waiting := hub.Stats().Waiting; waiting > room {
				t.Fatalf("%d bytes wait, want at most %d", waiting, room)
			}
		}
		for i, one := range all {
			shown, dropped := 0, uint64(0)
			for shown+int(dropped) < total {
				event, err := one.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				shown, dropped = shown+len(event.Lines), dropped+event.Dropped
			}
			if least := room / 2 / tails / (record + 100); shown < least || shown == total {
				t.Errorf("tail %d shows %d records, want its share of %d or more, but not all", i, shown, least)
			}
			if i%2 == 0 {
				one.Close() // with or without what it was shown last
			} else if event, err := one.Next(t.Context()); err != nil || len(event.Lines) > 0 {
				t.Errorf("after all comes %+v, %v", event, err)
			}
		}
		if waiting := hub.Stats().Waiting; waiting != 0 {
			t.Errorf("%d bytes wait in the end", waiting)
		}
		for _, one := range all {
			one.Close()
		}
	})
}

// TestAhead looks at what a client is told whose cursor is from a time that its
// shard does not know, for long or for a moment.
func TestAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shard{come: make(chan int)}
		hub := tail.NewHub(tail.Config{Shards: s})
		defer hub.Close()
		s.count.Store(50)
		first, err := hub.Open(t.Context(), tail.Request{Audience: query.Audience{Tenant: "default"}})
		if err != nil {
			t.Fatal(err)
		}
		event, err := first.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		first.Close()
		s.count.Store(49)
		if _, err := hub.Open(t.Context(), tail.Request{Audience: query.Audience{Tenant: "default"}, Cursor: event.Cursor}); !errors.Is(err, tail.ErrAhead) {
			t.Errorf("a cursor ahead of the shard: %v, want ErrAhead", err)
		}
		time.AfterFunc(time.Second, func() { s.count.Store(50) }) // who leads was late
		again, err := hub.Open(t.Context(), tail.Request{Audience: query.Audience{Tenant: "default"}, Cursor: event.Cursor})
		if err != nil {
			t.Fatal(err)
		}
		again.Close()
		if stats := hub.Stats(); stats.Tails != 0 {
			t.Errorf("%d tails are left", stats.Tails)
		}
	})
}

func FuzzCursor(f *testing.F) {
	hub := tail.NewHub(tail.Config{Shards: &shard{}, OpenTime: 50 * time.Millisecond})
	f.Cleanup(hub.Close)
	one, err := hub.Open(f.Context(), tail.Request{Audience: query.Audience{Tenant: "default"}})
	if err != nil {
		f.Fatal(err)
	}
	event, err := one.Next(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	one.Close()
	f.Add(event.Cursor)
	f.Fuzz(func(t *testing.T, text string) {
		opened, err := hub.Open(t.Context(), tail.Request{Audience: query.Audience{Tenant: "default"}, Cursor: text})
		if err != nil {
			return // never a panic
		}
		opened.Close()
		if text == "" {
			return
		}
		if again, err := hub.Open(t.Context(), tail.Request{Audience: query.Audience{Tenant: "default"}, Cursor: text}); err != nil {
			t.Error(fmt.Errorf("a cursor is good once: %w", err))
		} else {
			again.Close()
		}
	})
}
