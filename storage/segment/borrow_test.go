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

// TestPageRooms lends no room twice and keeps no more than it should.
func TestPageRooms(t *testing.T) {
	var rooms pageRooms
	lent := map[*pageRoom]bool{}
	for i := range 3 * pageRoomsMax {
		room := rooms.take(i%2 == 0)
		if lent[room] {
			t.Fatal("a room is lent twice")
		}
		lent[room] = true
		room.frame = make([]byte, 0, i<<18)
	}
	for room := range lent {
		rooms.give(room)
	}
	for class, free := range rooms.free {
		if len(free) != pageRoomsMax {
			t.Errorf("%d rooms of class %d wait, want %d", len(free), class, pageRoomsMax)
		}
		for _, room := range free {
			if room.class != class || cap(room.frame) > pageRoomMax {
				t.Errorf("a room of class %d with %d bytes waits in class %d", room.class, cap(room.frame), class)
			}
		}
	}
}
