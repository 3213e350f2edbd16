package detect

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// people make logins of ordinary days: now and then somebody mistypes.
func people(random *rand.Rand) []Event {
	var events []Event
	for i := range 2_000 {
		at := random.Int64N(int64(24 * time.Hour))
		user, ip := fmt.Sprintf("person%d", i%300), fmt.Sprintf("10.0.%d.%d", i%300/100, i%100)
		for range random.IntN(3) * random.IntN(2) {
			events = append(events, Event{Action: Login, First: at, Last: at, IP: ip, User: user, Count: 1})
			at += int64(5 * time.Second)
		}
		// Where an address is is known to about a hundred kilometres.
		town := &Place{Latitude: float64(i%300%120) - 60 + random.Float64() - 0.5, Longitude: float64(i%300) + random.Float64() - 0.5}
		events = append(events, Event{Action: Login, First: at, Last: at, IP: ip, User: user, OK: true, Count: 1, Place: town})
		events = append(events, Event{Action: Request, First: at, Last: at, IP: ip, Count: 2, Targets: 2})
		events = append(events, Event{Action: Connect, First: at, Last: at, IP: ip, Count: 9, Targets: 3})
	}
	return events
}

// TestFind puts each attack among ordinary days and looks whether it alone is found.
func TestFind(t *testing.T) {
	failed := func(at time.Duration, ip, user string) Event {
		return Event{Action: Login, First: int64(at), Last: int64(at), IP: ip, User: user, Count: 1}
	}
	many := func(n int, one func(i int) Event) (events []Event) {
		for i := range n {
			events = append(events, one(i))
		}
		return events
	}
	in := func(at time.Duration, ip, user string) Event {
		e := failed(at, ip, user)
		e.OK = true
		return e
	}
	const ip = "203.0.113.5"
	for _, c := range []struct {
		name string
		want []Kind
		add  []Event
	}{
		{"nothing", nil, nil},
		{"a burst", []Kind{BruteForce}, many(12, func(i int) Event { return failed(time.Hour+time.Duration(i)*time.Second, ip, "root") })},
		{"slowly", []Kind{BruteForce}, many(60, func(i int) Event { return failed(time.Duration(i)*20*time.Minute, ip, "root") })},
		{"few of many", []Kind{Spraying}, many(30, func(i int) Event {
			return failed(time.Hour+time.Duration(i)*time.Minute, ip, fmt.Sprint("user", i/2))
		})},
		{"from everywhere", []Kind{BruteForce}, many(40, func(i int) Event {
			return failed(time.Hour+time.Duration(i)*time.Minute, fmt.Sprint("203.0.113.", i%20), "boss")
		})},
		{"a list", []Kind{Stuffing}, many(200, func(i int) Event {
			return failed(time.Hour+time.Duration(i)*10*time.Second, fmt.Sprint("198.51.100.", i%40), fmt.Sprint("stolen", i))
		})},
		{"a list, of few addresses", []Kind{Stuffing}, many(50, func(i int) Event {
			return failed(time.Hour+time.Duration(i)*time.Minute, fmt.Sprint("198.51.100.", i%5), fmt.Sprint("stolen", i))
		})},
		{"taken over", []Kind{Takeover}, append(many(7, func(i int) Event { return failed(time.Hour+time.Duration(i)*2*time.Minute, ip, "boss") }), in(80*time.Minute, ip, "boss"))},
		{"guessed right", []Kind{BruteForce, Takeover}, append(many(17, func(i int) Event { return failed(time.Hour+time.Duration(i)*time.Second, ip, "boss") }), in(70*time.Minute, ip, "boss"))},
		{"paths", []Kind{PathScan}, many(5, func(i int) Event {
			return Event{Action: Request, First: int64(i) * int64(time.Minute), IP: ip, Count: 10, Targets: 9}
		})},
		{"ports", []Kind{PortScan}, []Event{{Action: Connect, IP: ip, Count: 100, Targets: 99}}},
		{"privileges", []Kind{Privileges}, []Event{{Action: Privilege, User: "mallory", Detail: "added to group sudo", Count: 1}}},
		{"travel", []Kind{Travel}, []Event{
			{Action: Login, OK: true, First: int64(time.Hour), Last: int64(time.Hour), User: "boss", IP: ip, Count: 1, Place: &Place{52.5, 13.4}},
			{Action: Login, OK: true, First: int64(2 * time.Hour), Last: int64(2 * time.Hour), User: "boss", IP: ip, Count: 1, Place: &Place{35.7, 139.7}},
		}},
		{"a flight, a train, a guess of another town", nil, func() (events []Event) {
			for i, at := range []struct {
				hour  time.Duration
				place Place
			}{{0, Place{52.5, 13.4}}, {9, Place{40.7, -74}}, {10, Place{40.7, -75}}, {13, Place{42.4, -71.1}}} {
				events = append(events, Event{Action: Login, OK: true, First: int64(at.hour * time.Hour), Last: int64(at.hour * time.Hour), User: "boss", IP: fmt.Sprint("198.51.100.", i), Count: 1, Place: &at.place})
			}
			return events
		}()},
		{"weak words", nil, []Event{{Action: Login, IP: ip, User: "a", Count: 8, Weak: true}, failed(time.Minute, ip, "a"), failed(time.Minute, ip, "b")}},
	} {
		for seed := range uint64(3) {
			random := rand.New(rand.NewPCG(seed, 3))
			events := append(people(random), c.add...)
			random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			var have []Kind
			for _, f := range Find(events) {
				have = append(have, f.Kind)
				if text := f.Explain(); text == "" || strings.Contains(text, "%!") {
					t.Errorf("%s: %q", c.name, text)
				}
			}
			slices.Sort(have)
			slices.Sort(c.want)
			if !slices.Equal(have, c.want) {
				t.Errorf("%s, seed %d: have %v, want %v", c.name, seed, have, c.want)
			}
		}
	}
}

// TestWithoutAddresses: a password that is guessed from nowhere is not guessed from 0 addresses.
func TestWithoutAddresses(t *testing.T) {
	var events []Event
	for i := range 60 {
		at := int64(time.Hour + time.Duration(i)*time.Second)
		events = append(events, Event{Action: Login, First: at, Last: at, User: "intern", Count: 1})
	}
	found := Find(events)
	if len(found) != 1 || found[0].Explain() != "The password of intern was guessed wrong 60 times in 59s, from no address that is named." {
		t.Errorf("%+v", found)
	}
}

// TestTravelSaysFromWhere: both addresses are named, if they are two.
func TestTravelSaysFromWhere(t *testing.T) {
	for second, want := range map[string]string{"203.0.113.9": "8917 km in 1h0m0s, from 198.51.100.7 to 203.0.113.9.", "198.51.100.7": "8917 km in 1h0m0s."} {
		found := Find([]Event{
			{Action: Login, OK: true, First: int64(time.Hour), Last: int64(time.Hour), User: "boss", IP: "198.51.100.7", Count: 1, Place: &Place{52.5, 13.4}},
			{Action: Login, OK: true, First: int64(2 * time.Hour), Last: int64(2 * time.Hour), User: "boss", IP: second, Count: 1, Place: &Place{35.7, 139.7}},
		})
		if len(found) != 1 || found[0].Explain() != "boss logged in from places too far apart: "+want {
			t.Errorf("%+v", found)
		}
	}
}

// TestTechniques wants what every kind of finding is called elsewhere.
func TestTechniques(t *testing.T) {
	for _, kind := range Kinds() {
		for _, id := range append(kind.Techniques(), map[bool]string{true: "none"}[len(kind.Techniques()) == 0]) {
			if id != "" && !regexp.MustCompile(`^T\d{4}(\.\d{3})?$`).MatchString(id) {
				t.Errorf("%s: %q", kind, id)
			}
		}
	}
}
