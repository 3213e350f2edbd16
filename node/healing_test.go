package node

import "testing"

// TestMiddle: of clocks of which fewer than half are ahead, none of those is the time.
func TestMiddle(t *testing.T) {
	for _, c := range []struct {
		clocks []int64
		want   int64
	}{
		{[]int64{9, 1}, 1},
		{[]int64{9, 1, 2}, 2},
		{[]int64{9, 1, 9, 2}, 2},
		{[]int64{9, 3, 9, 1, 2}, 3},
		{[]int64{5}, 5},
	} {
		if got := middle(c.clocks); got != c.want {
			t.Errorf("%v: %d, want %d", c.clocks, got, c.want)
		}
	}
}
