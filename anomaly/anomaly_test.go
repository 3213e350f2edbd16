package anomaly

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTails compares the tails with sums of their terms.
func TestTails(t *testing.T) {
	for _, mean := range []float64{0.1, 3, 40, 900} {
		for _, dispersion := range []float64{0.01, 0.5, 5} {
			size := 1 / dispersion
			term := func(k float64) float64 {
				a, _ := math.Lgamma(k + size)
				b, _ := math.Lgamma(size)
				c, _ := math.Lgamma(k + 1)
				return a - b - c + size*math.Log(size/(size+mean)) + k*math.Log(mean/(size+mean))
			}
			for _, x := range []float64{0, 1, 5, 60, 2000} {
				var below float64
				for k := 0.0; k <= x; k++ {
					below += math.Exp(term(k))
				}
				if have := math.Exp(atMost(x, mean, dispersion)); math.Abs(have-below) > 1e-8 {
					t.Errorf("P(X <= %v) of mean %v, dispersion %v: have %v, want %v", x, mean, dispersion, have, below)
				}
				if have, want := math.Exp(atLeast(x+1, mean, dispersion)), 1-below; math.Abs(have-want) > 1e-8 {
					t.Errorf("P(X > %v) of mean %v, dispersion %v: have %v, want %v", x, mean, dispersion, have, want)
				}
			}
		}
	}
	if have := studentAbove(2.228, 10); math.Abs(math.Exp(have)-0.05) > 1e-3 {
		t.Errorf("Student: %v", math.Exp(have))
	}
	if a, b := normalAbove(19.999), normalAbove(20.001); math.Abs(a-b) > 0.1 || math.Abs(a+203.9) > 0.1 {
		t.Errorf("normal: %v, %v", a, b)
	}
}

// world makes inputs of 16 days in buckets of half an hour, of which the last day is
// judged.
type world struct {
	random *rand.Rand
	in     Input
}

const (
	buckets = 16 * 48
	judge   = 15 * 48
)

func newWorld(seed uint64) *world {
	w := &world{random: rand.New(rand.NewPCG(seed, 7)), in: Input{Start: time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC), Width: 30 * time.Minute, Buckets: buckets, Judge: judge, Complete: true}}
	for i := range 30 {
		mean, season, burst := math.Exp(w.random.Float64()*6-1), w.random.Float64(), w.random.Float64()*0.5
		counts := make([]float64, buckets)
		for b := range counts {
			m := mean * (1 + season*math.Sin(2*math.Pi*float64(b%48)/48)) * math.Exp(burst*w.random.NormFloat64())
			counts[b] = w.poisson(m)
		}
		w.in.Series = append(w.in.Series, Series{Subject: Subject{Dimension: Pattern, Name: fmt.Sprintf("pattern %d", i), ID: fmt.Sprint(i)}, Counts: counts})
	}
	all, failed, slow, served := make([]float64, buckets), make([]float64, buckets), make([]float64, buckets), make([]float64, buckets)
	for b := range all {
		for i := range w.in.Series {
			all[b] += w.in.Series[i].Counts[b]
		}
		failed[b], served[b], slow[b] = w.poisson(all[b]*0.03), 40, 80*math.Exp(0.2*w.random.NormFloat64())
	}
	w.in.Series = append(w.in.Series, Series{Subject: Subject{Dimension: All}, Counts: all})
	w.in.Shares = []Share{{Subject: Subject{Dimension: All}, Part: failed, Whole: all}}
	w.in.Latencies = []Latency{{Subject: Subject{Dimension: Endpoint, Name: "/pay"}, Count: served, Value: slow, Percentile: "p95"}}
	return w
}

func (w *world) poisson(mean float64) float64 {
	if mean > 50 {
		return max(0, math.Round(mean+math.Sqrt(mean)*w.random.NormFloat64()))
	}
	limit, n := math.Exp(-mean), 0.0
	for p := w.random.Float64(); p > limit; p *= w.random.Float64() {
		n++
	}
	return n
}

// busy picks a pattern with records in nearly every bucket.
func (w *world) busy() *Series {
	for {
		s := &w.in.Series[w.random.IntN(30)]
		if sum(s.Counts) > 15*buckets {
			return s
		}
	}
}

// put changes the counts of a series, and those of all with it.
func (w *world) put(s *Series, from, to int, change func(b int, n float64) float64) {
	all := w.in.Series[30].Counts
	for b := from; b < to; b++ {
		n := max(0, math.Round(change(b, s.Counts[b])))
		all[b] += n - s.Counts[b]
		s.Counts[b] = n
	}
}

// TestKinds puts every kind of anomaly into made up logs and looks whether it alone is
// found, as what it is.
func TestKinds(t *testing.T) {
	const seeds = 6
	for _, c := range []struct {
		name string
		want []Kind
		put  func(w *world) Subject
	}{
		{"spike", []Kind{Spike}, func(w *world) Subject {
			s, at := w.busy(), judge+w.random.IntN(40)
			w.put(s, at, at+2, func(_ int, n float64) float64 { return n*8 + 200 })
			return s.Subject
		}},
		{"drop", []Kind{Drop, Change, Seasonal}, func(w *world) Subject {
			s, at := w.busy(), judge+w.random.IntN(20)
			w.put(s, at, at+16, func(_ int, n float64) float64 { return n * 0.05 })
			return s.Subject
		}},
		{"silence", []Kind{Silence}, func(w *world) Subject {
			s, at := w.busy(), judge+w.random.IntN(24)
			w.put(s, at, buckets, func(int, float64) float64 { return 0 })
			return s.Subject
		}},
		{"change", []Kind{Change}, func(w *world) Subject {
			s, at := w.busy(), judge+10+w.random.IntN(10)
			w.put(s, at, buckets, func(_ int, n float64) float64 { return n * 5 })
			return s.Subject
		}},
		{"drift", []Kind{Drift}, func(w *world) Subject {
			s := w.busy()
			w.put(s, buckets-8*48, buckets, func(b int, n float64) float64 { return n * (1 + 3*float64(b-buckets+8*48)/(8*48)) })
			return s.Subject
		}},
		{"new", []Kind{New}, func(w *world) Subject {
			s := Series{Subject: Subject{Dimension: Pattern, ID: "x", Name: "cannot open"}, Counts: make([]float64, buckets)}
			w.put(&s, judge+9, judge+14, func(int, float64) float64 { return 4 })
			w.in.Series = append(w.in.Series, s)
			w.in.Patterns = append(w.in.Patterns, Known{Subject: s.Subject, First: judge + 9, Last: judge + 13, Now: 20, Level: "error"})
			return s.Subject
		}},
		{"mix", []Kind{Mix}, func(w *world) Subject {
			for b := judge + 10; b < judge+24; b++ {
				w.in.Shares[0].Part[b] = math.Round(0.3 * w.in.Shares[0].Whole[b])
			}
			return w.in.Shares[0].Subject
		}},
		{"latency", []Kind{Slow}, func(w *world) Subject {
			for b := judge + 10; b < judge+24; b++ {
				w.in.Latencies[0].Value[b] *= 3
			}
			return w.in.Latencies[0].Subject
		}},
	} {
		hits, wrong := 0, 0
		for seed := range uint64(seeds) {
			w := newWorld(seed)
			subject := c.put(w)
			for _, f := range Detect(w.in).Findings {
				ok := false
				for _, k := range c.want {
					ok = ok || k == f.Kind
				}
				if ok && f.Subject == subject {
					hits++
				} else {
					wrong++
					t.Logf("%s, seed %d: %s", c.name, seed, w.in.Explain(&f))
				}
			}
		}
		if hits < seeds-1 || wrong > 1 {
			t.Errorf("%s: found %d of %d, and %d that are not there", c.name, hits, seeds, wrong)
		}
	}
}

// only leaves counts of all records alone, and returns how much is found in them.
func (w *world) only(counts []float64) int {
	w.in.Series, w.in.Shares, w.in.Latencies = []Series{{Subject: Subject{Dimension: All}, Counts: counts}}, nil, nil
	return len(Detect(w.in).Findings)
}

// TestSpikeAboveBursts puts a spike into logs that come in bursts, whose variance alone
// would explain it.
func TestSpikeAboveBursts(t *testing.T) {
	const seeds = 10
	hits, wrong := 0, 0
	for seed := range uint64(seeds) {
		w := newWorld(seed)
		counts := make([]float64, buckets)
		for b := range counts {
			if w.random.IntN(3) == 0 {
				counts[b] = math.Round(15 * w.random.ExpFloat64())
			}
		}
		wrong += w.only(counts)
		counts[judge+20], counts[judge+21] = 300, 280
		for _, f := range Detect(w.in).Findings {
			if f.Kind == Spike && f.From >= judge+19 && f.To <= judge+23 {
				hits++
			}
		}
	}
	if hits < seeds-1 || wrong > 1 {
		t.Errorf("found %d of %d, and %d that are not there", hits, seeds, wrong)
	}
}

// TestDropAmongBursts lets what comes all the time, now and then in bursts, nearly stop for
// eight hours: how high its bursts are says nothing of that.
func TestDropAmongBursts(t *testing.T) {
	const seeds = 10
	hits, wrong := 0, 0
	for seed := range uint64(seeds) {
		w := newWorld(seed)
		counts := make([]float64, buckets)
		for b := range counts {
			counts[b] = w.poisson(8 * math.Exp(0.3*w.random.NormFloat64()))
			if w.random.IntN(20) == 0 {
				counts[b] += math.Round(80 * w.random.ExpFloat64())
			}
		}
		wrong += w.only(counts)
		for b := judge + 10; b < judge+26; b++ {
			counts[b] = w.poisson(0.4)
		}
		for _, f := range Detect(w.in).Findings {
			if !f.Up && f.Observed < f.Low && f.From >= judge+7 && f.To <= judge+29 {
				hits++
			}
		}
	}
	if hits < seeds-1 || wrong > 1 {
		t.Errorf("found %d of %d, and %d that are not there", hits, seeds, wrong)
	}
}

// TestShareTails compares the tails of shares with sums of their terms, and those of many
// records, which are approximated, with those of few.
func TestShareTails(t *testing.T) {
	for _, share := range []float64{0.004, 0.3, 0.7} {
		for _, rho := range []float64{0.002, 0.1, 0.6} {
			a, b := share*(1/rho-1), (1-share)*(1/rho-1)
			const n = 60
			all := 0.0
			for k := float64(n); k > 0; k-- {
				all += math.Exp(lnBinomial(n, k) + lnB(k+a, n-k+b) - lnB(a, b))
				if have := shareAtLeast(k, n, share, rho); math.Abs(have-math.Log(all)) > 1e-6 {
					t.Errorf("P(X >= %v) of a share of %v, correlation %v: have %v, want %v", k, share, rho, have, math.Log(all))
				}
			}
		}
	}
	if have := shareAtLeast(61, 60, 0.3, 0.1); !math.IsInf(have, -1) {
		t.Errorf("more than there are: %v", have)
	}
	few, many := shareAtLeast(0.5*summed, summed, 0.05, 0.05), shareAtLeast(0.5*(summed+2), summed+2, 0.05, 0.05)
	if math.Abs(few-many) > 0.1 {
		t.Errorf("summed %v, approximated %v", few, many)
	}
}

// bursty makes a log that is silent most of the time; of its records few are errors, and
// in one burst of ten a good deal more. Beside it are lonely records, all of them errors.
func (w *world) bursty() *Share {
	s := &Share{Subject: Subject{Dimension: All}, Part: make([]float64, buckets), Whole: make([]float64, buckets)}
	for b := range s.Whole {
		switch w.random.IntN(12) {
		case 0:
			share := 0.005
			if w.random.IntN(10) == 0 {
				share = 0.13
			}
			n := math.Round(20 + 150*w.random.ExpFloat64())
			s.Whole[b], s.Part[b] = n, min(n, w.poisson(share*n))
		case 1:
			s.Whole[b], s.Part[b] = 1, 1
		}
	}
	return s
}

// steady makes a log of few records, of which three of ten are errors.
func (w *world) steady() *Share {
	s := &Share{Subject: Subject{Dimension: All}, Part: make([]float64, buckets), Whole: make([]float64, buckets)}
	for b := range s.Whole {
		s.Whole[b] = w.poisson(5)
		for range int(s.Whole[b]) {
			if w.random.Float64() < 0.3 {
				s.Part[b]++
			}
		}
	}
	return s
}

// TestShareAmongBursts raises the share of errors for a while: to many times what is usual
// in a log that comes in bursts, of which one has more errors than others, and to twice
// and a half of it where it is high already, which is nearly as much as there can be.
func TestShareAmongBursts(t *testing.T) {
	const seeds = 10
	for _, c := range []struct {
		name      string
		log       func(w *world) *Share
		raised, n float64
		long      int
	}{{"bursts", (*world).bursty, 0.6, 45, 12}, {"steady", (*world).steady, 0.75, 8, 6}} {
		hits, wrong := 0, 0
		for seed := range uint64(seeds) {
			w := newWorld(seed)
			s := c.log(w)
			mixes := func() []Finding {
				w.in.Shares = []Share{*s}
				return slices.DeleteFunc(Detect(w.in).Findings, func(f Finding) bool { return f.Kind != Mix })
			}
			wrong += len(mixes())
			for b := judge + 10; b < judge+10+c.long; b++ {
				s.Whole[b], s.Part[b] = c.n, math.Round(c.raised*c.n)
			}
			if slices.ContainsFunc(mixes(), func(f Finding) bool {
				return f.From >= judge+3 && f.To <= judge+30 && f.Observed > f.High && f.Low <= f.Expected
			}) {
				hits++
			}
		}
		if hits < seeds-1 || wrong > 1 {
			t.Errorf("%s: found %d of %d, and %d that are not there", c.name, hits, seeds, wrong)
		}
	}
}

// TestHardlyAHistory checks that patterns with few records before are one finding, unless
// they are of errors, and none where such patterns burst all the time.
func TestHardlyAHistory(t *testing.T) {
	for _, c := range []struct {
		name   string
		level  string
		before bool // others burst in the days before
		want   int
	}{{"quiet", "", false, 1}, {"errors", "error", false, 3}, {"usual", "", true, 0}} {
		w := newWorld(5)
		burst := func(name string, at int) {
			s := Series{Subject: Subject{Dimension: Pattern, Name: name, ID: name}, Counts: make([]float64, buckets)}
			w.put(&s, 20, 22, func(int, float64) float64 { return 1 })
			w.put(&s, at, at+3, func(int, float64) float64 { return 30 })
			w.in.Series = append(w.in.Series, s)
			w.in.Patterns = append(w.in.Patterns, Known{Subject: s.Subject, First: 20, Last: at + 2, Before: 2, Now: 90, Level: c.level})
		}
		for i, at := range []int{judge + 4, judge + 15, judge + 30} {
			burst(fmt.Sprint("now ", i), at)
		}
		for day := 1; c.before && day <= pastWindows; day++ {
			burst(fmt.Sprint("before ", day), judge-48*day+10)
		}
		have := 0
		for _, f := range Detect(w.in).Findings {
			if strings.HasPrefix(f.Name, "now") {
				have++
			}
		}
		if have != c.want {
			t.Errorf("%s: %d findings, want %d", c.name, have, c.want)
		}
	}
}

// TestNothing checks that nothing is found where there is nothing.
func TestNothing(t *testing.T) {
	const days = 25
	found := 0
	for seed := range uint64(days) {
		w := newWorld(100 + seed)
		for _, f := range Detect(w.in).Findings {
			found++
			t.Logf("seed %d: %s", seed, w.in.Explain(&f))
		}
	}
	if found > days/12 {
		t.Errorf("%d false alarms in %d days", found, days)
	}
}

// TestLearning checks that nothing is said before there is a history.
func TestLearning(t *testing.T) {
	w := newWorld(1)
	w.in.First = buckets - LearnBuckets
	if r := Detect(w.in); !r.Learning || len(r.Findings) > 0 {
		t.Errorf("judged after %d buckets: %+v", LearnBuckets, r)
	}
}

// TestDeployIsTheCause checks that what begins after a deployment says so.
func TestDeployIsTheCause(t *testing.T) {
	w := newWorld(1)
	s := w.busy()
	w.put(s, judge+9, judge+11, func(_ int, n float64) float64 { return n*9 + 300 })
	w.in.Deploys = []Deploy{{Bucket: judge + 9, Time: w.in.at(judge + 9), What: "web 1.2"}}
	r := Detect(w.in)
	if len(r.Findings) != 1 || !strings.Contains(w.in.Explain(&r.Findings[0]), "deployment of web 1.2") {
		t.Errorf("have %+v", r.Findings)
	}
}

// TestDeployBringsNews checks that new patterns after a deployment are told only of errors, and
// not as spikes either, of whatever height, where it is known that they are new.
func TestDeployBringsNews(t *testing.T) {
	for _, c := range []struct {
		level  string
		deploy int  // bucket; 0: none
		partly bool // not all patterns of before are known
		want   int
	}{
		{level: "info", want: 1}, {level: "info", deploy: judge + 8}, {level: "info", deploy: judge + 10, want: 1}, {level: "info", deploy: judge + 1, want: 1},
		{level: "error", deploy: judge + 8, want: 1}, {level: "info", deploy: judge + 8, partly: true, want: 1},
	} {
		w := newWorld(1)
		w.in.Complete = !c.partly
		subject := Subject{Dimension: Pattern, Name: "v2 says hello to *", ID: "77"}
		w.in.Patterns = append(w.in.Patterns, Known{Subject: subject, First: judge + 9, Last: judge + 12, Now: 400, Level: c.level})
		series := Series{Subject: subject, Counts: make([]float64, w.in.Buckets)}
		for i := range 4 {
			series.Counts[judge+9+i] = 100
		}
		w.in.Series = append(w.in.Series, series)
		if c.deploy > 0 {
			w.in.Deploys = []Deploy{{Bucket: c.deploy, Time: w.in.at(c.deploy), What: "web 2"}}
		}
		found := 0
		for _, f := range Detect(w.in).Findings {
			if f.ID == "77" {
				found++
			}
		}
		if found != c.want {
			t.Errorf("%+v: %d findings", c, found)
		}
	}
}
