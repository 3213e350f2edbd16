package timestamp

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// now is the clock of the tests: late on the last day of a year.
func now() time.Time { return time.Date(2025, 12, 31, 23, 30, 0, 0, time.UTC) }

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text      string
		want      string // RFC 3339 with nanoseconds, "" for not understood
		digits    uint8
		canonical bool
	}{
		{"2023-11-18T08:46:14.674Z", "2023-11-18T08:46:14.674Z", 3, true},
		{"2023-11-18T08:46:14Z", "2023-11-18T08:46:14Z", 0, true},
		{"2023-11-18T08:46:14.000Z", "2023-11-18T08:46:14Z", 3, true},
		{"2023-11-18T08:46:14.123456789Z", "2023-11-18T08:46:14.123456789Z", 9, true},
		{"2023-11-18T08:46:14.1234567891Z", "2023-11-18T08:46:14.123456789Z", 9, false},
		{"2023-11-18t08:46:14.5z", "2023-11-18T08:46:14.5Z", 1, false},
		{"2023-11-18 08:46:14.674", "2023-11-18T08:46:14.674Z", 3, false},
		{"2023-11-18 08:46:14,674", "2023-11-18T08:46:14.674Z", 3, false},
		{"2023-11-18T08:46:14", "2023-11-18T08:46:14Z", 0, false},
		{"2023-11-18T08:46:14+00:00", "2023-11-18T08:46:14Z", 0, false},
		{"2023-11-18T08:46:14.5+05:30", "2023-11-18T03:16:14.5Z", 1, false},
		{"2023-11-18T08:46:14-0800", "2023-11-18T16:46:14Z", 0, false},
		{"2023-11-18T08:46:14+01", "2023-11-18T07:46:14Z", 0, false},
		{"2023-11-18 08:46:14 +0100", "2023-11-18T07:46:14Z", 0, false},
		{"2023-11-18 08:46:14 UTC", "2023-11-18T08:46:14Z", 0, false},
		{" 2023-11-18T08:46:14Z\n", "2023-11-18T08:46:14Z", 0, false},
		{"2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z", 0, true},
		{"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", 0, false},
		{"1969-12-31T23:59:59.25Z", "1969-12-31T23:59:59.25Z", 2, true},
		{"1700-01-01T00:00:00Z", "1700-01-01T00:00:00Z", 0, true},
		{"2023/11/18 08:46:14", "2023-11-18T08:46:14Z", 0, false},
		{"26/Jan/2019:19:45:47 +0330", "2019-01-26T16:15:47Z", 0, false},
		{"[26/Jan/2019:19:45:47 +0330]", "2019-01-26T16:15:47Z", 0, false},
		{"Mon, 02 Jan 2006 15:04:05 GMT", "2006-01-02T15:04:05Z", 0, false},
		{"Mon, 2 Jan 2006 15:04:05 -0700", "2006-01-02T22:04:05Z", 0, false},
		{"Sat Jun 11 03:28:22 2005", "2005-06-11T03:28:22Z", 0, false},
		{"Sat Jun  1 03:28:22.123456 2005", "2005-06-01T03:28:22.123456Z", 6, false},
		{"Jan  2 15:04:05", "2025-01-02T15:04:05Z", 0, false},
		{"Jan 1 00:10:00", "2026-01-01T00:10:00Z", 0, false}, // within a day of now
		{"Dec 31 23:59:59.125", "2025-12-31T23:59:59.125Z", 3, false},
		{"FEB 29 01:00:00", "2024-02-29T01:00:00Z", 0, false},
		{"1700000000", "2023-11-14T22:13:20Z", 0, false},
		{"1700000000.25", "2023-11-14T22:13:20.25Z", 2, false},
		{"1700000000123", "2023-11-14T22:13:20.123Z", 3, false},
		{"1700000000123.5", "2023-11-14T22:13:20.1235Z", 4, false},
		{"1700000000123456", "2023-11-14T22:13:20.123456Z", 6, false},
		{"1700000000123456789", "2023-11-14T22:13:20.123456789Z", 9, false},
		{"1700000000.1234567891", "2023-11-14T22:13:20.123456789Z", 9, false},
		{"1.7e9", "2023-11-14T22:13:20Z", 0, false},
		{"17e8", "2023-11-14T22:13:20Z", 0, false},
		{"1.70000000012345E+9", "2023-11-14T22:13:20.12345Z", 5, false},
		{"0", "1970-01-01T00:00:00Z", 0, false},
		{"0.001", "1970-01-01T00:00:00.001Z", 3, false},
		{"-1.5", "1969-12-31T23:59:58.5Z", 1, false},
		{"", "", 0, false},
		{"   ", "", 0, false},
		{"tomorrow", "", 0, false},
		{"2023-11-18", "", 0, false},
		{"2023-13-18T08:46:14Z", "", 0, false},
		{"2023-02-29T08:46:14Z", "", 0, false},
		{"2023-11-18T24:00:00Z", "", 0, false},
		{"2023-11-18T08:46:14.Z", "", 0, false},
		{"2023-11-18T08:46:14Zx", "", 0, false},
		{"2023-11-18T08:46:14+25:00", "", 0, false},
		{"1500-01-01T00:00:00Z", "", 0, false},
		{"9999-12-31T23:59:59Z", "", 0, false},
		{"99999999999999999999", "", 0, false},
		{"1e400", "", 0, false},
		{"1e", "", 0, false},
		{"-", "", 0, false},
		{".", "", 0, false},
		{"1.2.3", "", 0, false},
		{"Mon, 02 Jan 2006 15:04:05 PST", "", 0, false},
		{"Jan 32 00:00:00", "", 0, false},
		{"26/Foo/2019:19:45:47 +0330", "", 0, false},
	} {
		got, ok := Parse(c.text, now())
		if ok != (c.want != "") {
			t.Errorf("Parse(%q) understood: %v", c.text, ok)
			continue
		}
		if !ok {
			continue
		}
		if text := time.Unix(0, got.Nanos).UTC().Format(time.RFC3339Nano); text != c.want || got.Digits != c.digits || got.Canonical != c.canonical {
			t.Errorf("Parse(%q) = %s, %d digits, canonical %v; want %s, %d, %v", c.text, text, got.Digits, got.Canonical, c.want, c.digits, c.canonical)
		}
	}
}

// TestAgainstStandardLibrary compares Append and Parse with package time.
func TestAgainstStandardLibrary(t *testing.T) {
	layouts := []string{"2006-01-02T15:04:05Z", "2006-01-02T15:04:05.0Z", "2006-01-02T15:04:05.00Z", "2006-01-02T15:04:05.000Z",
		"2006-01-02T15:04:05.0000Z", "2006-01-02T15:04:05.00000Z", "2006-01-02T15:04:05.000000Z", "2006-01-02T15:04:05.0000000Z",
		"2006-01-02T15:04:05.00000000Z", "2006-01-02T15:04:05.000000000Z"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		nanos := int64(random.Uint64())
		digits := random.IntN(10)
		want := time.Unix(0, nanos).UTC().Format(layouts[digits])
		got := string(Append(nil, nanos, uint8(digits)))
		if got != want {
			t.Fatalf("Append(%d, %d) = %s, want %s", nanos, digits, got, want)
		}
		parsed, ok := Parse(got, now())
		if nanos > math.MinInt64+2_000_000_000 && nanos < math.MaxInt64-2_000_000_000 {
			if !ok || !parsed.Canonical || string(Append(nil, parsed.Nanos, parsed.Digits)) != got {
				t.Fatalf("Parse(%s) = %+v, %v", got, parsed, ok)
			}
		}
	}
}

// TestReader checks that what a Reader has read before changes nothing.
func TestReader(t *testing.T) {
	seconds := []string{"00Z", "05Z", "59Z", "60Z", "61Z", "05.1Z", "05.123456789Z", "05.1234567891Z", "05.Z", "05,5Z", "05.5z", "05.5", "5Z", "05",
		"0aZ", "05Z ", "05.5+01:00", "59.999999999Z", "05.5ZZ", "", "05\x00", "05.12a"}
	minutes := []string{"2023-11-18T08:46:", "2023-11-18T08:47:", "2023-11-18 08:46:", "1969-12-31T23:59:", "1970-01-01T00:00:", "2262-04-11T23:47:",
		"1677-09-21T00:12:", "1677-09-21T00:13:", "2023-02-29T08:46:", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}
	var r Reader
	random := rand.New(rand.NewPCG(3, 4))
	for range 50_000 {
		text := minutes[random.IntN(len(minutes))] + seconds[random.IntN(len(seconds))]
		for range 1 + random.IntN(2) {
			got, ok := r.Parse(text, now())
			want, wantOK := Parse(text, now())
			if got != want || ok != wantOK {
				t.Fatalf("%q is %+v, %v, want %+v, %v", text, got, ok, want, wantOK)
			}
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	for _, text := range []string{"2023-11-18T08:46:14.674Z", "26/Jan/2019:19:45:47 +0330", "1700000000.25", "Mon, 02 Jan 2006 15:04:05 GMT", "Jan  2 15:04:05", "nonsense"} {
		if n := testing.AllocsPerRun(10, func() { Parse(text, now()) }); n != 0 {
			t.Errorf("Parse(%q) allocates %v times", text, n)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"2023-11-18T08:46:14.674Z", "2023/11/18 08:46:14,5 +01:00", "26/Jan/2019:19:45:47 +0330", "1700000000.25e1", "Mon, 02 Jan 2006 15:04:05 GMT", "Sat Jun  1 03:28:22 2005", "Jan  2 15:04:05", "-", "[]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := Parse(text, now())
		var r Reader
		r.Parse("2023-11-18T08:46:14.674Z", now())
		for range 2 {
			if again, okAgain := r.Parse(text, now()); again != got || okAgain != ok {
				t.Fatalf("Parse(%q) = %+v, %v, of a Reader %+v, %v", text, got, ok, again, okAgain)
			}
		}
		if !ok {
			return
		}
		if got.Digits > DigitsMax {
			t.Fatalf("Parse(%q) has %d digits", text, got.Digits)
		}
		canonical := string(Append(nil, got.Nanos, got.Digits))
		if got.Canonical && canonical != text {
			t.Fatalf("Parse(%q) says canonical, but canonical is %q", text, canonical)
		}
		if want, err := time.Parse(time.RFC3339Nano, text); err == nil && want.UnixNano() != got.Nanos {
			t.Fatalf("Parse(%q) = %d, want %d", text, got.Nanos, want.UnixNano())
		}
	})
}

func BenchmarkParse(b *testing.B) {
	clock := now()
	for _, text := range []string{"2023-11-18T08:46:14.674Z", "1700000000123", "26/Jan/2019:19:45:47 +0330"} {
		b.Run(text, func(b *testing.B) {
			for b.Loop() {
				if _, ok := Parse(text, clock); !ok {
					b.Fatal("not understood")
				}
			}
		})
	}
}
