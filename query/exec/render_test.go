package exec

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// Times are written as package time writes them, one after the other whatever their days.
func TestInstants(t *testing.T) {
	const seed = 3
	rng := rand.New(rand.NewPCG(seed, seed))
	units := []int64{1, 1000, 1e6, 1e9, 60e9, 3600e9, dayNanos}
	rows := [][]any{{instant(0), nil}, {instant(-1), "x"}, {instant(math.MinInt64), instant(math.MaxInt64)}, {instant(dayNanos), instant(dayNanos - 1)}, {int64(5), instant(-dayNanos)}}
	for range 2000 {
		unit := units[rng.IntN(len(units))]
		at := instant(rng.Int64N(1<<62)/unit*unit) * instant(1-2*rng.Int64N(2))
		rows = append(rows, []any{at, at + instant(rng.Int64N(2*dayNanos)/unit*unit)})
	}
	var want [][]any
	for _, row := range rows {
		texts := make([]any, len(row))
		for i, value := range row {
			if texts[i] = value; value != nil {
				if at, ok := value.(instant); ok {
					texts[i] = time.Unix(0, int64(at)).UTC().Format(time.RFC3339Nano)
				}
			}
		}
		want = append(want, texts)
	}
	renderInstants(rows)
	for n := range rows {
		for i := range rows[n] {
			if rows[n][i] != want[n][i] {
				t.Fatalf("seed %d: %v, want %v", seed, rows[n][i], want[n][i])
			}
		}
	}
}
