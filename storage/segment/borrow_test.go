package segment

import "testing"

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
		if len(free) != pageRoomsMin || rooms.made[class] != pageRoomsMin {
			t.Errorf("%d of %d rooms of class %d wait, want %d", len(free), rooms.made[class], class, pageRoomsMin)
		}
		for _, room := range free {
			if room.class != class || cap(room.frame) > pageRoomMax {
				t.Errorf("a room of class %d with %d bytes waits in class %d", room.class, cap(room.frame), class)
			}
		}
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
