package audit

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// lineMax is the longest line of an export.
const lineMax = 1 << 20

// faultsMax is how many faults are described.
const faultsMax = 1000

// Fault is something that is wrong with a trail.
type Fault struct {
	Line int    `json:"line,omitempty"` // of the export; 0: none
	What string `json:"what"`
}

// Report is what Verify found.
type Report struct {
	Entries int     `json:"entries"`
	Chains  int     `json:"chains"`
	Faults  []Fault `json:"faults"`
	More    int     `json:"moreFaults,omitempty"`
	Lost    int64   `json:"lost"`  // entries that nodes say they could not keep
	Heads   []Head  `json:"heads"` // the newest entry of each chain
	// Open are the chains of which no other one names the newest entry: what was cut
	// off their ends only those know who noted a head.
	Open []string `json:"open"`
}

// Options of Verify.
type Options struct {
	// Partial says that the export begins or ends in the middle: beginnings of chains,
	// and chains that are named, may be missing.
	Partial bool
	Heads   []Head // that were noted before
}

// seen is an entry with its place.
type seen struct {
	Entry
	hash string
	line int
}

type verifier struct {
	options Options
	report  Report
	chains  map[string][]seen
	all     []seen
}

func (v *verifier) fault(line int, format string, args ...any) {
	if len(v.report.Faults) >= faultsMax {
		v.report.More++
		return
	}
	v.report.Faults = append(v.report.Faults, Fault{line, clean(fmt.Sprintf(format, args...))}) // an export may be anybody's
}

// Verify reads an export of the tenant's records, NDJSON in the order of time or
// against it, and returns all that is wrong. The error is that of reading.
func Verify(export io.Reader, options Options) (*Report, error) {
	v := &verifier{options: options, chains: map[string][]seen{}}
	v.report.Faults, v.report.Heads, v.report.Open = []Fault{}, []Head{}, []string{}
	lines := bufio.NewScanner(export)
	lines.Buffer(nil, lineMax)
	n := 0
	for lines.Scan() {
		n++
		if len(bytes.TrimSpace(lines.Bytes())) > 0 {
			v.line(n, lines.Bytes())
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the export after line %d: %w", n, err)
	}
	v.order()
	for _, chain := range slices.Sorted(maps.Keys(v.chains)) {
		v.chain(chain, v.chains[chain])
	}
	v.anchors()
	v.report.Entries, v.report.Chains = len(v.all), len(v.chains)
	slices.SortStableFunc(v.report.Faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
	return &v.report, nil
}

// line reads a record: its entry must have its hash, and everything else of it must be
// what the entry says.
func (v *verifier) line(n int, text []byte) {
	var record map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&record); err != nil {
		v.fault(n, "it is no record: %v", err)
		return
	}
	if rest, err := io.ReadAll(d.Buffered()); err != nil || len(bytes.TrimSpace(rest)) > 0 {
		v.fault(n, "it goes on after the record")
	}
	inner, _ := record["audit"].(map[string]any)
	entry, _ := inner["entry"].(string)
	if entry == "" {
		v.fault(n, "it has no entry")
		return
	}
	e, err := Parse(entry)
	if err != nil {
		v.fault(n, "%v", err)
		return
	}
	if e.Chain == "" || clean(e.Chain) != e.Chain {
		v.fault(n, "%q is no chain that a node begins", e.Chain)
		return
	}
	hash := hashOf([]byte(entry))
	if stated, _ := inner["hash"].(string); stated != hash {
		v.fault(n, "entry %d of chain %s does not have its hash: it was changed", e.Seq, e.Chain)
	}
	v.beside(n, &e, record, entry, hash)
	one := seen{e, hash, n}
	v.report.Lost += e.Lost
	v.all = append(v.all, one)
	v.chains[e.Chain] = append(v.chains[e.Chain], one)
}

// beside compares what stands beside an entry with it.
func (v *verifier) beside(n int, e *Entry, record map[string]any, entry, hash string) {
	want := map[string]string{}
	for _, f := range func() []struct{ name, text string } {
		var list []struct{ name, text string }
		for _, f := range e.record([]byte(entry), hash).Fields {
			list = append(list, struct{ name, text string }{f.Name, f.Text})
		}
		return list
	}() {
		want[f.name] = f.text
	}
	want["severity"] = want["level"]
	have := map[string]string{}
	for name, value := range record {
		if inner, ok := value.(map[string]any); ok {
			for key, value := range inner {
				have[name+"."+key] = fmt.Sprint(value)
			}
			continue
		}
		have[name] = fmt.Sprint(value)
	}
	if at, err := time.Parse(time.RFC3339Nano, have["timestamp"]); err != nil || at.UnixNano() != e.Time {
		v.fault(n, "the time beside entry %d of chain %s was changed", e.Seq, e.Chain)
	}
	for _, free := range []string{"id", "_id", "timestamp"} {
		delete(have, free)
	}
	if !maps.Equal(have, want) {
		names := []string{}
		for name := range have {
			if have[name] != want[name] {
				names = append(names, name)
			}
		}
		for name := range want {
			if _, there := have[name]; !there {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		v.fault(n, "what stands beside entry %d of chain %s was changed: %s", e.Seq, e.Chain, strings.Join(names, ", "))
	}
}

// order finds the direction of the export and what stands against it, and leaves the
// chains in the order of time.
func (v *verifier) order() {
	up, down := 0, 0
	for i := 1; i < len(v.all); i++ {
		switch cmp.Compare(v.all[i].Time, v.all[i-1].Time) {
		case 1:
			up++
		case -1:
			down++
		}
	}
	if down > up {
		slices.Reverse(v.all)
		for _, entries := range v.chains {
			slices.Reverse(entries)
		}
	}
	for i := 1; i < len(v.all); i++ {
		if v.all[i].Time < v.all[i-1].Time {
			v.fault(v.all[i].line, "entry %d of chain %s stands out of the order of time", v.all[i].Seq, v.all[i].Chain)
		}
	}
}

// chain checks that a chain is whole.
func (v *verifier) chain(name string, entries []seen) {
	for i, e := range entries {
		switch {
		case i == 0 && e.Seq != 1:
			if !v.options.Partial {
				v.fault(e.line, "chain %s begins with entry %d: what was before is cut off", name, e.Seq)
			}
		case i == 0:
			if e.Prev != "" {
				v.fault(e.line, "the first entry of chain %s follows on another one", name)
			}
		case e.Seq == entries[i-1].Seq:
			v.fault(e.line, "entry %d of chain %s is there twice", e.Seq, name)
		case e.Seq < entries[i-1].Seq:
			v.fault(e.line, "entry %d of chain %s stands behind entry %d: they were reordered", e.Seq, name, entries[i-1].Seq)
		case e.Seq > entries[i-1].Seq+1:
			v.fault(e.line, "entries %d to %d of chain %s are missing", entries[i-1].Seq+1, e.Seq-1, name)
		case e.Prev != entries[i-1].hash:
			v.fault(e.line, "entry %d of chain %s does not follow on entry %d as it is now", e.Seq, name, entries[i-1].Seq)
		}
		if i > 0 && e.Time <= entries[i-1].Time {
			v.fault(e.line, "entry %d of chain %s is not later than the one before", e.Seq, name)
		}
	}
	last := entries[len(entries)-1]
	v.report.Heads = append(v.report.Heads, Head{name, last.Seq, last.hash})
}

// anchors checks what entries, and who noted heads, say of other chains.
func (v *verifier) anchors() {
	named := map[string]uint64{}
	check := func(line int, h Head, by string) {
		named[h.Chain] = max(named[h.Chain], h.Seq)
		entries, there := v.chains[h.Chain]
		if !there {
			if !v.options.Partial {
				v.fault(line, "chain %s, which %s names, is missing", h.Chain, by)
			}
			return
		}
		at := slices.IndexFunc(entries, func(e seen) bool { return e.Seq == h.Seq })
		switch {
		case at >= 0 && entries[at].hash != h.Hash:
			v.fault(line, "entry %d of chain %s is not the one that %s names", h.Seq, h.Chain, by)
		case at < 0 && h.Seq > entries[len(entries)-1].Seq:
			v.fault(line, "chain %s ends with entry %d, %s names entry %d: its end is cut off", h.Chain, entries[len(entries)-1].Seq, by, h.Seq)
		}
	}
	for _, e := range v.all {
		for _, h := range e.Heads {
			check(e.line, h, fmt.Sprintf("entry %d of chain %s", e.Seq, e.Chain))
		}
	}
	for _, h := range v.options.Heads {
		check(0, h, "who noted it")
	}
	for _, h := range v.report.Heads {
		if named[h.Chain] < h.Seq {
			v.report.Open = append(v.report.Open, h.Chain)
		}
	}
}
