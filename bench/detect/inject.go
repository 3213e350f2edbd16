package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/model"
)

// planted is something that was put into records.
type planted struct {
	accept  []string // types of findings that say so
	subject []string // ids, names or entities of which one has to be named; none for all records
	from    time.Time
	to      time.Time
	records []model.Record
}

// planter puts something into the last day of a source; ok is false where the source
// has nothing that it could happen to.
type planter struct {
	kind   string
	times  int  // as often as others: few logs have anything regular
	attack bool // it is what somebody does
	plant  func(s *source, random *rand.Rand, window time.Time) (planted, bool)
}

// planters returns all kinds.
func planters() []planter {
	return []planter{
		{"spike", 3, false, plantSpike},
		{"drop", 3, false, plantDrop},
		{"silence", 3, false, plantSilence},
		{"new error", 1, false, plantNew},
		{"level shift", 3, false, plantShift},
		{"slow drift", 3, false, plantDrift},
		{"error share", 1, false, plantMix},
		{"latency", 1, false, plantLatency},
		{"brute force", 1, true, plantBruteForce},
		{"password spraying", 1, true, plantSpraying},
		{"credential stuffing", 1, true, plantStuffing},
		{"account takeover", 1, true, plantTakeover},
		{"path scan", 1, true, plantPathScan},
		{"port scan", 1, true, plantPortScan},
		{"privilege change", 1, true, plantPrivilege},
		{"impossible travel", 1, true, plantTravel},
	}
}

// everything stands for the patterns of all records.
const everything = "*"

// regular picks a pattern, or everything, that is in a share of all half hours; ok is
// false if there is none.
func (s *source) regular(random *rand.Rand, until time.Time, share float64) (id string, perHalfHour float64, ok bool) {
	places, counts := map[string]map[int64]bool{}, map[string]float64{}
	first := s.records[0].Time
	for i := range s.records {
		if s.records[i].Time >= until.UnixNano() {
			break
		}
		for _, p := range []string{s.patterns[i], everything} {
			if places[p] == nil {
				places[p] = map[int64]bool{}
			}
			places[p][s.records[i].Time/int64(30*time.Minute)] = true
			counts[p]++
		}
	}
	halves := float64(until.UnixNano()-first) / float64(30*time.Minute)
	var fit []string
	for p, in := range places {
		if float64(len(in)) >= share*halves && counts[p] >= 3*halves {
			fit = append(fit, p)
		}
	}
	if len(fit) == 0 {
		return "", 0, false
	}
	slices.Sort(fit)
	id = fit[random.IntN(len(fit))]
	return id, counts[id] / halves, true
}

// of returns the places of the records of a pattern.
func (s *source) of(id string) []int {
	var at []int
	for i, p := range s.patterns {
		if p == id || id == everything {
			at = append(at, i)
		}
	}
	return at
}

// more adds n copies of records of a pattern between two times.
func (s *source) more(records []model.Record, random *rand.Rand, id string, n int, from, to time.Time) []model.Record {
	at := s.of(id)
	for range n {
		r := s.records[at[random.IntN(len(at))]]
		r.Time = from.UnixNano() + random.Int64N(to.Sub(from).Nanoseconds())
		records = append(records, r)
	}
	return records
}

// names returns what a finding about a pattern can be about.
func (s *source) names(id string) []string {
	if id == everything {
		return nil // whatever shows it
	}
	names := []string{id, ""}
	for _, i := range s.of(id) {
		for _, f := range s.records[i].Fields {
			if f.Name == "component" && !slices.Contains(names, f.Text) {
				names = append(names, f.Text)
			}
		}
	}
	return names
}

func plantSpike(s *source, random *rand.Rand, window time.Time) (planted, bool) {
	id, mean, ok := s.regular(random, window, 0.3)
	from := window.Add(time.Duration(random.IntN(20*60)) * time.Minute)
	to := from.Add(time.Duration(30+random.IntN(90)) * time.Minute)
	p := planted{accept: []string{"spike", "seasonal_deviation", "change_point"}, from: from, to: to}
	if ok {
		p.subject = s.names(id)
		peak := s.peak(id)
		p.records = s.more(slices.Clone(s.records), random, id, int((9*mean+2*peak)*to.Sub(from).Minutes()/30)+30, from, to)
	}
	return p, ok
}

// peak is the most records of a pattern in half an hour.
func (s *source) peak(id string) float64 {
	counts, most := map[int64]float64{}, 0.0
	for _, i := range s.of(id) {
		at := s.records[i].Time / int64(30*time.Minute)
		counts[at]++
		most = max(most, counts[at])
	}
	return most
}

// less returns the records without a share of those of a pattern between two times.
func (s *source) less(random *rand.Rand, id string, share float64, from, to time.Time) []model.Record {
	var kept []model.Record
	for i := range s.records {
		t := s.records[i].Time
		if id != everything && s.patterns[i] != id || t < from.UnixNano() || t >= to.UnixNano() || random.Float64() >= share {
			kept = append(kept, s.records[i])
		}
	}
	return kept
}

func plantDrop(s *source, random *rand.Rand, window time.Time) (planted, bool) {
	id, _, ok := s.regular(random, window, 0.9)
	from := window.Add(time.Duration(random.IntN(10*60)) * time.Minute)
	to := from.Add(time.Duration(8+random.IntN(4)) * time.Hour)
	p := planted{accept: []string{"drop", "seasonal_deviation", "change_point", "silence"}, from: from, to: to}
	if ok {
		p.subject = s.names(id)
		p.records = s.less(random, id, 0.95, from, to)
	}
	return p, ok
}

func plantSilence(s *source, random *rand.Rand, window time.Time) (planted, bool) {
	id, _, ok := s.regular(random, window, 0.9)
	from := window.Add(time.Duration(6*60+random.IntN(10*60)) * time.Minute)
	p := planted{accept: []string{"silence"}, from: from, to: window.Add(day)}
	if ok {
		p.subject = s.names(id)
		p.records = s.less(random, id, 1, from, p.to)
	}
	return p, ok
}

func plantNew(s *source, random *rand.Rand, window time.Time) (planted, bool) {
	from := window.Add(time.Duration(random.IntN(22*60)) * time.Minute)
	text := []string{"cannot reserve %d bytes of video memory on adapter", "certificate of upstream %d expired, handshake refused", "ledger out of balance by %d cents, posting stopped", "volume vol-%d went read only after a failed flush"}[random.IntN(4)]
	p := planted{accept: []string{"new"}, from: from, to: from.Add(time.Hour), records: slices.Clone(s.records)}
	for range 8 + random.IntN(20) {
		p.records = append(p.records, record(from.Add(time.Duration(random.IntN(3600))*time.Second), "level", "error", "component", "planted", "message", fmt.Sprintf(text, random.IntN(100_000))))
	}
	outlined := outline(&p.records[len(p.records)-1])
	p.subject = []string{s.set.Of(outlined).ID}
	return p, true
}

// record makes one of pairs of names and texts.
func record(at time.Time, pairs ...string) model.Record {
	r := model.Record{Time: at.UnixNano()}
	for i := 0; i < len(pairs); i += 2 {
		r.Fields = append(r.Fields, model.Field{Name: pairs[i], Kind: model.String, Text: pairs[i+1]})
	}
	return r
}

func plantShift(s *source, random *rand.Rand, window time.Time) (planted, bool) {
	id, mean, ok := s.regular(random, window, 0.5)
	from := window.Add(time.Duration(4*60+random.IntN(8*60)) * time.Minute)
	p := planted{accept: []string{"change_point"}, from: from, to: window.Add(day)}
	if ok {
		p.subject = s.names(id)
		p.records = s.more(slices.Clone(s.records), random, id, int((3*mean+0.5*s.peak(id))*p.to.Sub(from).Minutes()/30)+30, from, p.to)
	}
	return p, ok
}

func plantDrift(s *source, random *rand.Rand, window time.Time) (planted, bool) {
	id, mean, ok := s.regular(random, window, 0.7)
	days := 4 + random.IntN(3)
	from, to := window.Add(-time.Duration(days-1)*day), window.Add(day)
	p := planted{accept: []string{"drift"}, from: from, to: to}
	if ok {
		p.subject = s.names(id)
		p.records = slices.Clone(s.records)
		const steps = 200
		for i := range steps {
			step := to.Sub(from) / steps
			n := 5 * mean * float64(i) / steps * step.Minutes() / 30
			p.records = s.more(p.records, random, id, int(n+random.Float64()), from.Add(time.Duration(i)*step), from.Add(time.Duration(i+1)*step))
		}
	}
	return p, ok
}

func plantMix(s *source, random *rand.Rand, window time.Time) (planted, bool) {
	from := window.Add(time.Duration(random.IntN(14*60)) * time.Minute)
	p := planted{accept: []string{"level_mix_shift"}, from: from, to: from.Add(6 * time.Hour), records: slices.Clone(s.records)}
	changed := 0
	for i := range p.records {
		r := &p.records[i]
		if r.Time < from.UnixNano() || r.Time >= p.to.UnixNano() || random.Float64() > 0.6 {
			continue
		}
		r.Fields = slices.DeleteFunc(slices.Clone(r.Fields), func(f model.Field) bool { return f.Name == "level" })
		r.Fields = append(r.Fields, model.Field{Name: "level", Kind: model.String, Text: "error"})
		changed++
	}
	return p, changed >= 30
}

func plantLatency(s *source, random *rand.Rand, window time.Time) (planted, bool) {
	from := window.Add(time.Duration(random.IntN(14*60)) * time.Minute)
	p := planted{accept: []string{"latency_shift"}, from: from, to: from.Add(6 * time.Hour), records: slices.Clone(s.records)}
	changed := 0
	for i := range p.records {
		r := &p.records[i]
		took := 40 * math.Exp(0.6*random.NormFloat64())
		if r.Time >= from.UnixNano() && r.Time < p.to.UnixNano() {
			took *= 2.5
			changed++
		}
		r.Fields = append(slices.Clone(r.Fields), model.Field{Name: "duration", Kind: model.Number, Text: fmt.Sprintf("%.1f", took)}, model.Field{Name: "endpoint", Kind: model.String, Text: "/planted"})
	}
	p.subject = []string{"/planted"}
	return p, changed >= 200 && s.busyHalves(s.records[0].Time, window.UnixNano()) >= 48 && s.busyHalves(from.UnixNano(), p.to.UnixNano()) >= 6
}

// busyHalves counts the half hours between two times with ten records or more.
func (s *source) busyHalves(from, to int64) (n int) {
	counts := map[int64]int{}
	for i := range s.records {
		if t := s.records[i].Time; t >= from && t < to {
			at := t / int64(30*time.Minute)
			if counts[at]++; counts[at] == 10 {
				n++
			}
		}
	}
	return n
}

// found reports whether a finding says what was planted.
func (p *planted) found(f *insight.Finding) bool {
	return slices.Contains(p.accept, f.Type) && p.about(f)
}

// about reports whether a finding is about what was planted.
func (p *planted) about(f *insight.Finding) bool {
	if !f.From.Before(p.to.Add(time.Hour)) || !f.To.After(p.from.Add(-time.Hour)) {
		return false
	}
	if len(p.subject) == 0 {
		return true
	}
	named := []string{f.Subject.ID, f.Subject.Name}
	if f.Subject.ID != "" {
		named = named[:1]
	}
	for _, r := range f.Related {
		named = append(named, r.ID)
	}
	for _, e := range f.Entities {
		named = append(named, e)
	}
	return slices.ContainsFunc(named, func(name string) bool { return slices.Contains(p.subject, strings.TrimSpace(name)) })
}
