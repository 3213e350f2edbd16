package placement

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/stere-log/stere/model"
)

// ShardBytesPerDay is how much of one tenant a shard takes in a day before the
// tenant spreads over more: an average of 100 KB a second, so that a peak of
// many times that is still far from what one shard can take, and queries over a
// day read few enough bytes in each shard.
const ShardBytesPerDay = 8 << 30

// Spread returns over how many of the shards a tenant should spread that sends
// so much. It doubles, so that a tenant that grows changes seldom, and it never
// shrinks: what a tenant has in a shard stays there until it expires.
func Spread(bytesPerDay int64, shards, current int) int {
	want := 1
	if bytesPerDay > ShardBytesPerDay {
		needed := (bytesPerDay-1)/ShardBytesPerDay + 1
		want = 1 << bits.Len64(uint64(needed-1))
	}
	return max(current, min(want, max(shards, 1)))
}

// Grow returns n shards for a tenant: those it has, in their order, and of the
// others those that rank highest for it. What it has, it keeps, also when the
// cluster gets more shards. Which shards rank highest is the same everywhere
// and for ever; the rank says nothing about other tenants, so that many small
// tenants lie evenly.
func Grow(tenant model.TenantID, have, all []model.ShardID, n int) []model.ShardID {
	chosen := slices.Clone(have)
	if n -= len(have); n <= 0 {
		return chosen
	}
	held := make(map[model.ShardID]bool, len(have))
	for _, id := range have {
		held[id] = true
	}
	seed := tenantHash(tenant)
	best := make([]ranked, 0, n+1) // in descending rank
	for _, id := range all {
		r := ranked{rank(seed, id), id}
		if held[id] || len(best) == n && r.compare(best[n-1]) >= 0 {
			continue
		}
		at, twice := slices.BinarySearchFunc(best, r, ranked.compare)
		if twice {
			continue
		}
		best = slices.Insert(best, at, r)
		best = best[:min(len(best), n)]
	}
	for _, r := range best {
		chosen = append(chosen, r.id)
	}
	return chosen
}

type ranked struct {
	rank uint64
	id   model.ShardID
}

func (r ranked) compare(other ranked) int {
	return cmp.Or(cmp.Compare(other.rank, r.rank), cmp.Compare(r.id, other.id))
}

// tenantHash is FNV-1a.
func tenantHash(tenant model.TenantID) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(tenant) {
		h = (h ^ uint64(tenant[i])) * 1099511628211
	}
	return h
}

// rank is the finaliser of splitmix64 over tenant and shard: every bit of both
// changes every bit of the result with even odds.
func rank(seed uint64, id model.ShardID) uint64 {
	x := seed + (uint64(id)+1)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// growths are the tenants that need more shards.
func growths(tenants []Tenant, shards int) []Growth {
	var grown []Growth
	for _, t := range tenants {
		if to := Spread(t.BytesPerDay, shards, t.Shards); to > t.Shards {
			grown = append(grown, Growth{t.ID, t.Shards, to})
		}
	}
	slices.SortFunc(grown, func(a, b Growth) int { return cmp.Compare(a.Tenant, b.Tenant) })
	return grown
}
