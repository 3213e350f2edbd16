package corpus

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"time"
)

// Defaults of Config.
const (
	DefaultLines         = 100_000
	DefaultSpan          = 24 * time.Hour
	DefaultTraceFraction = 0.1
)

// Means and odds of the mix.
const (
	burstMean        = 12     // lines in a row from one source
	incidentEvery    = 20_000 // lines between two incidents, on average
	incidentLines    = 1_500  // lines of an incident, on average
	incidentFactor   = 8      // how much likelier errors are in an incident
	writeBufferBytes = 1 << 20
)

// defaultStart is the time of the first line unless told otherwise.
func defaultStart() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// Config says what to generate. The zero value means the defaults.
type Config struct {
	// Seed decides every byte together with the other fields.
	Seed uint64
	// Lines is the number of records. 0 means DefaultLines.
	Lines int64
	// Start is the time of the first record. Zero means 2026-01-01, UTC.
	Start time.Time
	// Span is the time from the first record to about the last. 0 means
	// DefaultSpan.
	Span time.Duration
	// TraceFraction is the share of records with a unique metadata.trace_id.
	// 0 means DefaultTraceFraction, a negative value none.
	TraceFraction float64
}

// Validate lists all faults.
func (c Config) Validate() error {
	var faults []error
	if c.Lines < 0 {
		faults = append(faults, fmt.Errorf("lines is %d, want 0 or more", c.Lines))
	}
	if c.Span < 0 {
		faults = append(faults, fmt.Errorf("span is %v, want 0 or more", c.Span))
	}
	if c.TraceFraction > 1 {
		faults = append(faults, fmt.Errorf("trace fraction is %v, want at most 1", c.TraceFraction))
	}
	return errors.Join(faults...)
}

func (c Config) withDefaults() Config {
	if c.Lines == 0 {
		c.Lines = DefaultLines
	}
	if c.Start.IsZero() {
		c.Start = defaultStart()
	}
	c.Start = c.Start.UTC()
	if c.Span == 0 {
		c.Span = DefaultSpan
	}
	if c.TraceFraction == 0 {
		c.TraceFraction = DefaultTraceFraction
	}
	return c
}

// source is one kind of software in the mix.
type source struct {
	weight float64
	line   func(g *Generator, dst []byte) []byte
}

// Generator writes the lines of a Config one after the other.
type Generator struct {
	cfg     Config
	rng     *rand.Rand
	pools   pools
	sources []source
	weights float64
	current int // index of the source of this burst
	left    int // lines left of this burst
	done    int64
	now     int64 // ns
	gap     float64
	calm    int64 // lines until the next incident
	trouble int64 // lines left of the incident
	second  int64 // the second that clock holds
	clock   [19]byte
}

// New returns a Generator at its first line.
func New(cfg Config) (*Generator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("corpus config: %w", err)
	}
	cfg = cfg.withDefaults()
	rng := rand.New(rand.NewPCG(cfg.Seed, 0x5851F42D4C957F2D))
	g := &Generator{
		cfg:    cfg,
		rng:    rng,
		pools:  newPools(rng),
		now:    cfg.Start.UnixNano(),
		gap:    float64(cfg.Span.Nanoseconds()) / float64(cfg.Lines),
		second: -1 << 62,
		sources: []source{
			{weight: 38, line: (*Generator).web},
			{weight: 18, line: (*Generator).java},
			{weight: 16, line: (*Generator).app},
			{weight: 14, line: (*Generator).kube},
			{weight: 8, line: (*Generator).postgres},
			{weight: 6, line: (*Generator).sshd},
		},
	}
	for _, s := range g.sources {
		g.weights += s.weight
	}
	g.calm = g.between(incidentEvery)
	return g, nil
}

// Append appends the next line, with its line feed, to dst. It returns false
// and dst unchanged after the last line.
func (g *Generator) Append(dst []byte) ([]byte, bool) {
	if g.done == g.cfg.Lines {
		return dst, false
	}
	if g.left == 0 {
		g.startBurst()
	}
	g.left--
	g.moveIncident()
	if g.done > 0 {
		g.now += int64(g.rng.ExpFloat64() * g.gap)
	}
	dst = g.sources[g.current].line(g, dst)
	g.done++
	return append(dst, '\n'), true
}

// WriteTo writes all lines that are left.
func (g *Generator) WriteTo(w io.Writer) (int64, error) {
	var written int64
	buf := make([]byte, 0, writeBufferBytes+64<<10)
	for {
		var more bool
		buf, more = g.Append(buf)
		if len(buf) >= writeBufferBytes || !more && len(buf) > 0 {
			n, err := w.Write(buf)
			written += int64(n)
			if err != nil {
				return written, fmt.Errorf("write corpus: %w", err)
			}
			buf = buf[:0]
		}
		if !more {
			return written, nil
		}
	}
}

func (g *Generator) startBurst() {
	x := g.rng.Float64() * g.weights
	for i, s := range g.sources {
		if x < s.weight || i == len(g.sources)-1 {
			g.current = i
			break
		}
		x -= s.weight
	}
	g.left = 1 + int(g.rng.ExpFloat64()*(burstMean-1))
}

func (g *Generator) moveIncident() {
	switch {
	case g.trouble > 0:
		g.trouble--
		if g.trouble == 0 {
			g.calm = g.between(incidentEvery)
		}
	case g.calm > 0:
		g.calm--
	default:
		g.trouble = g.between(incidentLines)
	}
}

func (g *Generator) between(mean float64) int64 { return 1 + int64(g.rng.ExpFloat64()*mean) }

// odds is true with probability p, raised during an incident.
func (g *Generator) odds(p float64) bool {
	if g.trouble > 0 {
		p *= incidentFactor
	}
	return g.rng.Float64() < p
}

// open appends the line's beginning up to the opening quote of the message.
// Digits is the precision of the timestamp, as the software has it.
func (g *Generator) open(dst []byte, digits int) []byte {
	dst = append(dst, `{"timestamp":"`...)
	dst = g.time(dst, 'T', digits)
	return append(dst, `Z","message":"`...)
}

// close closes the message, appends level and component and opens metadata.
func (g *Generator) close(dst []byte, level, component string) []byte {
	dst = append(dst, '"')
	if level != "" {
		dst = append(dst, `,"level":"`...)
		dst = append(dst, level...)
		dst = append(dst, '"')
	}
	dst = append(dst, `,"component":"`...)
	dst = append(dst, component...)
	return append(dst, `","metadata":{`...)
}

// end appends the trace id where one is due and closes the line. Metadata must
// have at least one key by now.
func (g *Generator) end(dst []byte) []byte {
	if g.cfg.TraceFraction > 0 && g.rng.Float64() < g.cfg.TraceFraction {
		dst = append(dst, `,"trace_id":"`...)
		// One half is a bijection of the line's number, so no two are equal.
		dst = appendHex16(dst, scramble(uint64(g.done)+g.cfg.Seed*0x9E3779B97F4A7C15))
		dst = appendHex16(dst, g.rng.Uint64())
		dst = append(dst, '"')
	}
	return append(dst, '}', '}')
}

// time appends the current time with the digits of a fraction.
func (g *Generator) time(dst []byte, separator byte, digits int) []byte {
	const perSecond = int64(time.Second)
	second, nanos := g.now/perSecond, g.now%perSecond
	if nanos < 0 {
		second, nanos = second-1, nanos+perSecond
	}
	if second != g.second {
		time.Unix(second, 0).UTC().AppendFormat(g.clock[:0], "2006-01-02T15:04:05")
		g.second = second
	}
	at := len(dst)
	dst = append(dst, g.clock[:]...)
	dst[at+10] = separator
	if digits == 0 {
		return dst
	}
	dst = append(dst, '.')
	for i, unit := 0, perSecond/10; i < digits; i, unit = i+1, unit/10 {
		dst = append(dst, byte('0'+nanos/unit%10))
	}
	return dst
}

// commonLogTime appends the current time as access logs write it.
func (g *Generator) commonLogTime(dst []byte) []byte {
	return time.Unix(0, g.now).UTC().AppendFormat(dst, "02/Jan/2006:15:04:05 -0700")
}

// scramble is a bijection of 64-bit numbers (the splitmix64 finaliser).
func scramble(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

func appendHex16(dst []byte, x uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, digits[x>>shift&15])
	}
	return dst
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

// appendMillis appends a number of microseconds as milliseconds with three
// fraction digits.
func appendMillis(dst []byte, micros int64) []byte {
	dst = appendInt(dst, micros/1000)
	rest := micros % 1000
	return append(dst, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
}

func appendQuoted(dst []byte, key, value string) []byte {
	dst = append(dst, key...)
	dst = append(dst, '"')
	dst = append(dst, value...)
	return append(dst, '"')
}

func appendNumber(dst []byte, key string, n int64) []byte {
	dst = append(dst, key...)
	return appendInt(dst, n)
}
