package segment

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/storage/column"
)

// TestReadings counts readings of two pages: a small one is kept at the second
// reading, a large one at the fourth, and then counted anew.
func TestReadings(t *testing.T) {
	cache := NewCache(0)
	small, large := cacheKey{segment: 1, item: itemCodes}, cacheKey{segment: 1, item: itemPlain}
	for round := range 3 {
		for reading := 1; reading <= keptAtLarge; reading++ {
			if got, want := cache.readings.again(large), reading == keptAtLarge; got != want {
				t.Errorf("round %d, reading %d of the large page: %v, want %v", round, reading, got, want)
			}
			if got, want := cache.readings.again(small), reading%keptAt == 0; got != want {
				t.Errorf("round %d, reading %d of the small page: %v, want %v", round, reading, got, want)
			}
		}
	}
}

// TestReadingsNoted notes readings of a page that is not to be kept yet: it is
// at the next one, and then counted anew.
func TestReadingsNoted(t *testing.T) {
	cache := NewCache(0)
	key := cacheKey{segment: 1, item: itemPlain}
	for range 3 {
		for range 2 * keptAtLarge {
			cache.readings.note(key)
		}
		if !cache.readings.again(key) || cache.readings.again(key) {
			t.Error("a page that was read often is not kept once")
		}
		for range keptAtLarge - 1 {
			cache.readings.again(key)
		}
	}
}

// TestPageRooms lends no room twice and keeps no more than it should.
func TestPageRooms(t *testing.T) {
	rooms := newPageRooms(0)
	lent := map[*pageRoom]bool{}
	for i := range roomClasses * 3 * pageRoomsMin {
		room := rooms.take(i % roomClasses)
		if lent[room] {
			t.Fatal("a room is lent twice")
		}
		lent[room] = true
		room.frame = make([]byte, 0, i<<16)
	}
	for room := range lent {
		rooms.give(room)
	}
	for class, free := range rooms.free {
		if len(free) > pageRoomsMin || len(free) < 2 || rooms.made[class] != len(free) {
			t.Errorf("%d of %d rooms of class %d wait, want at most %d", len(free), rooms.made[class], class, pageRoomsMin)
		}
		bytes := int64(0)
		for _, room := range free {
			if bytes += room.bytes(); bytes > pageRoomsMin*pageRoomsOne {
				t.Errorf("rooms of class %d with %d bytes wait, want at most %d", class, bytes, pageRoomsMin*pageRoomsOne)
			}
			if room.class != class || cap(room.frame) > pageRoomMax {
				t.Errorf("a room of class %d with %d bytes waits in class %d", room.class, cap(room.frame), class)
			}
		}
	}
}

// TestRest gives up what is quick to make again, and no more: answers stay, and the
// pages that were used last.
func TestRest(t *testing.T) {
	const limit, one = 1 << 20, 1 << 14
	c := NewCache(limit)
	for i := range uint32(limit/one) / 2 {
		c.put(cacheKey{item: cachedAnswer, number: i}, i, one)
		c.put(cacheKey{item: itemCodes, number: i}, i, one)
	}
	rooms := []*pageRoom{c.rooms.take(smallRoom), c.rooms.take(smallRoom)}
	rooms[0].frame = make([]byte, 0, 1<<15)
	c.rooms.give(rooms[0]) // the other one is lent meanwhile
	_, _, before := c.Stats()
	given := c.Rest()
	_, _, after := c.Stats()
	if given != before-after+rooms[0].bytes() || c.rooms.made[smallRoom] != 1 || len(c.rooms.free[smallRoom]) != 0 {
		t.Errorf("%d bytes given up of %d, %d are left; %d rooms", given, before, after, c.rooms.made[smallRoom])
	}
	if pages := after - c.mu.bytesOf[classAnswers]; pages > limit/restShare || pages < limit/restShare-one-1024 {
		t.Errorf("%d bytes of pages are left, want about %d", pages, limit/restShare)
	}
	answers := 0
	for i := range uint32(limit/one) / 2 {
		if _, ok := c.peek(cacheKey{item: cachedAnswer, number: i}); ok {
			answers++
		}
		if _, ok := c.peek(cacheKey{item: itemCodes, number: i}); ok && i < uint32(limit/one)/2-limit/one/restShare {
			t.Errorf("page %d is left, which was not used last", i)
		}
	}
	if want := int(before-c.mu.bytes) / one; answers == 0 || c.Rest() != 0 || want == 0 {
		t.Errorf("%d answers are left", answers)
	}
	c.rooms.give(rooms[1])
	if c.rooms.made[smallRoom] != 1 || len(c.rooms.free[smallRoom]) != 1 {
		t.Errorf("a room that was lent meanwhile is lost")
	}
}

// TestPageRoomsHold reads pages in turn: while evaluations return to pages
// there are as many rooms as may be, and the last pages are still in them; else
// one room does.
func TestPageRoomsHold(t *testing.T) {
	page := func(number int) cacheKey { return cacheKey{segment: 1, item: itemCodes, number: uint32(number)} }
	for _, returns := range []int{0, 1} {
		rooms := newPageRooms(0)
		rooms.returning(returns)
		most := 1 + returns*(pageRoomsMin-1)
		const pages = 3 * pageRoomsMin
		for i := range pages {
			if room := rooms.holding(page(i)); room != nil {
				t.Fatalf("page %d is in a room before it is read", i)
			}
			room := rooms.take(smallRoom)
			if room.held || room.value != nil {
				t.Fatalf("a room is lent for page %d with another page in it", i)
			}
			room.key, room.held, room.value = page(i), true, i
			rooms.give(room)
		}
		for i := range pages {
			room := rooms.holding(page(i))
			if want := i >= pages-most; (room != nil) != want {
				t.Errorf("%d evaluations return: page %d of %d is in a room: %v, want %v", returns, i, pages, room != nil, want)
			}
			if room == nil {
				continue
			}
			if room.value != i || rooms.holding(page(i)) != nil {
				t.Errorf("the room of page %d has %v, or is lent twice", i, room.value)
			}
			rooms.give(room)
		}
	}
}

// TestFewTimes asks for few times of a page again and again: they are right, and the page is
// kept once that pays.
func TestFewTimes(t *testing.T) {
	rng := rand.New(rand.NewPCG(61, 62))
	ids, records := randomRecords(rng, 5000, 1)
	mem := newMemPart(ids, records)
	s, _ := build(t, Input{Part: mem})
	key := s.cacheKey(cachedTimes, 0, 0)
	for round := range 2 * keptAtLarge {
		if have := s.cache.holds(key); have != (round >= keptAtLarge) {
			t.Errorf("after %d readings: kept is %v", round, have)
		}
		rows := index.NewDocSet()
		for range 1 + rng.IntN(knownMax/2) { // what was asked for last is known
			rows.Add(rng.Uint32N(s.Rows()))
		}
		want, _ := mem.Times(rows)
		wantDigits, _ := mem.TimeDigits(rows)
		have, err := s.Times(rows)
		if err != nil || !slices.Equal(have, want) {
			t.Fatalf("round %d: %d times, want %d, or others, %v", round, len(have), len(want), err)
		}
		if digits, err := s.TimeDigits(rows); err != nil || !slices.Equal(digits, wantDigits) {
			t.Fatalf("round %d: other digits, %v", round, err)
		}
	}
}

// TestFewTimesCorrupt puts the times of a page in another order: those who ask for few of
// them hear of it as those do who ask for all.
func TestFewTimesCorrupt(t *testing.T) {
	ids, records := randomRecords(rand.New(rand.NewPCG(63, 64)), 5000, 1)
	s, store := build(t, Input{Part: newMemPart(ids, records)})
	all := index.DocSetRange(0, s.Rows())
	times, err := s.Times(all)
	if err != nil {
		t.Fatal(err)
	}
	digits, err := s.TimeDigits(all)
	if err != nil {
		t.Fatal(err)
	}
	times = slices.Clone(times)
	slices.Reverse(times)
	have := make([]uint32, len(digits))
	for i, d := range digits {
		have[len(have)-1-i] = uint32(d)
	}
	key := string(pageKey(sectionTimes, 0))
	b := builder{opts: Options{Level: 1}, out: func(_, value []byte) error { store[key] = value; return nil }}
	if err := b.emit(nil, b.compress(column.AppendTimes(nil, times, have))); err != nil {
		t.Fatal(err)
	}
	for _, rows := range []*index.DocSet{all, index.DocSetOf(7, 4000)} {
		damaged, err := Open(store.get, NewCache(0))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := damaged.Times(rows); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d times: %v", rows.GetCardinality(), err)
		}
	}
}

// TestShare: pages of a segment of which much is asked are kept when they are read first,
// those of others are not, and afterwards none are.
func TestShare(t *testing.T) {
	c := NewCache(0)
	segments := []*Segment{{cache: c, number: 1}, {cache: c, number: 2}}
	kept := func(segment uint64, number uint32) bool {
		return c.readings.keeps(cacheKey{segment: segment, item: itemText, number: number})
	}
	var ends []func()
	for range 2 {
		end, err := segments[0].Share(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	for i, end := range ends {
		if !kept(1, uint32(i)) || kept(2, uint32(i)) {
			t.Errorf("%d share: a page of theirs is kept: %v, one of others: %v", len(ends)-i, kept(1, uint32(i)), kept(2, uint32(i)))
		}
		end()
	}
	if kept(1, 9) || len(c.readings.shared) > 0 {
		t.Errorf("a page is kept at once after the end, or one is still known: %v", c.readings.shared)
	}
}
