package node_test

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/stere-log/stere/model"
)

// historyPatience is how long the checker of histories may think about a seed.
const historyPatience = 5 * time.Second

// cell is what must be linearizable on its own: a tenant's records of a shard.
type cell struct {
	tenant model.TenantID
	shard  model.ShardID
}

// removal is the input of a deletion: what it removes, if it is there.
type removal string

// setModel is a set: a write adds a number, a deletion removes some, a read returns
// all. The state is a bitmap.
var setModel = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		switch input := input.(type) {
		case int:
			return true, withBit(state.(string), input)
		case removal:
			return true, without(state.(string), string(input))
		}
		return state == output, state
	},
}

func withBit(bits string, n int) string {
	b := make([]byte, max(len(bits), n/8+1))
	copy(b, bits)
	b[n/8] |= 1 << (n % 8)
	return string(b)
}

// without returns bits but for others.
func without(bits, others string) string {
	b := []byte(bits)
	for i := range min(len(b), len(others)) {
		b[i] &^= others[i]
	}
	return strings.TrimRight(string(b), "\x00")
}

// history returns what was written and read, cell by cell: the first line of
// each request stands for it. A write without an acknowledgement that was never
// seen may have happened after everything else, so it is left out. So is what rules of
// retention may have removed at any time. A deletion removes what is before it in the log.
func (l *ledger) history() map[cell][]porcupine.Operation {
	homes := map[string]model.RecordID{}
	for _, r := range l.reads {
		maps.Copy(homes, r.ids)
	}
	ops := map[cell][]porcupine.Operation{}
	numbers := map[cell]map[string]int{}
	indexes := map[string]uint64{} // in the log, by line
	for _, a := range l.attempts {
		id, seen := homes[a.lines[0]]
		end := int64(never)
		if a.acked != 0 {
			id, end, seen = a.result.ID(0), a.acked, true
		}
		if !seen || slices.ContainsFunc(l.orders, func(o *order) bool { return o.rule && l.aims(o, a, 0) }) {
			continue
		}
		at := cell{a.request.Tenant, id.Shard}
		if numbers[at] == nil {
			numbers[at] = map[string]int{}
		}
		number := len(numbers[at])
		numbers[at][a.lines[0]], indexes[a.lines[0]] = number, id.Index
		ops[at] = append(ops[at], porcupine.Operation{Input: number, Call: a.began, Return: end})
	}
	for at, known := range numbers {
		for _, c := range l.carried {
			if c.order.rule || c.order.tenant != at.tenant || c.place(at.shard) == 0 {
				continue
			}
			bits, end := "", c.known
			for line, number := range known {
				if of := l.lines[line].attempt; of.client == c.order.client && indexes[line] < c.place(at.shard) {
					bits = withBit(bits, number)
				}
			}
			if end == 0 {
				end = never
			}
			ops[at] = append(ops[at], porcupine.Operation{Input: removal(bits), Call: c.order.asked, Return: end})
		}
		for _, r := range l.reads {
			if r.tenant != at.tenant {
				continue
			}
			bits := ""
			for line := range r.ids {
				if number, ok := known[line]; ok {
					bits = withBit(bits, number)
				}
			}
			ops[at] = append(ops[at], porcupine.Operation{Input: nil, Output: bits, Call: r.began, Return: r.end})
		}
	}
	return ops
}

// checkHistory asks whether what clients saw can be explained by writes and
// reads that happen one after the other. It runs outside of the bubble, since
// it has a time limit.
func checkHistory(t *testing.T, l *ledger) {
	if t.Failed() {
		return
	}
	ops := l.history()
	cells := slices.SortedFunc(maps.Keys(ops), func(a, b cell) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.shard, b.shard))
	})
	for _, at := range cells {
		switch porcupine.CheckOperationsTimeout(setModel, ops[at], historyPatience) {
		case porcupine.Illegal:
			t.Errorf("what clients saw of tenant %s in shard %d is not linearizable: %d operations", at.tenant, at.shard, len(ops[at]))
		case porcupine.Unknown:
			t.Logf("the history of tenant %s in shard %d is too hard to check: %d operations", at.tenant, at.shard, len(ops[at]))
		}
	}
}

// The checker of histories finds what it is for.
func TestHistoriesThatAreNotLinearizable(t *testing.T) {
	write := func(number int, call, end int64) porcupine.Operation {
		return porcupine.Operation{Input: number, Call: call, Return: end}
	}
	read := func(call, end int64, numbers ...int) porcupine.Operation {
		bits := ""
		for _, n := range numbers {
			bits = withBit(bits, n)
		}
		return porcupine.Operation{Output: bits, Call: call, Return: end}
	}
	remove := func(call, end int64, numbers ...int) porcupine.Operation {
		return porcupine.Operation{Input: removal(read(0, 0, numbers...).Output.(string)), Call: call, Return: end}
	}
	for _, test := range []struct {
		name  string
		ops   []porcupine.Operation
		legal bool
	}{
		{"one after the other", []porcupine.Operation{write(0, 1, 2), read(3, 4, 0), write(1, 5, 6), read(7, 8, 0, 1)}, true},
		{"seen while it is written", []porcupine.Operation{write(0, 1, 9), read(2, 3), read(4, 5, 0)}, true},
		{"acknowledged and not seen", []porcupine.Operation{write(0, 1, 2), read(3, 4)}, false},
		{"seen and then not", []porcupine.Operation{write(0, 1, never), read(2, 3, 0), read(4, 5)}, false},
		{"removed", []porcupine.Operation{write(0, 1, 2), write(1, 3, 4), remove(5, 8, 0), read(6, 7, 0, 1), read(9, 10, 1)}, true},
		{"removed and written later", []porcupine.Operation{write(0, 1, 2), remove(3, 8, 0, 1), write(1, 4, 5), read(9, 10, 1)}, true},
		{"removed and seen", []porcupine.Operation{write(0, 1, 2), remove(3, 4, 0), read(5, 6, 0)}, false},
		{"removed and back", []porcupine.Operation{write(0, 1, 2), remove(3, 8, 0), read(4, 5), read(6, 7, 0)}, false},
		{"more is removed", []porcupine.Operation{write(0, 1, 2), write(1, 3, 4), remove(5, 6, 0), read(7, 8)}, false},
		{"seen in two orders", []porcupine.Operation{write(0, 1, never), write(1, 1, never), read(2, 5, 0), read(3, 6, 1)}, false},
	} {
		if got := porcupine.CheckOperations(setModel, test.ops); got != test.legal {
			t.Errorf("%s: linearizable is %v, want %v", test.name, got, test.legal)
		}
	}
}
