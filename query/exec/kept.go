package exec

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/stere-log/stere/storage/part"
)

// What a segment amounts to in a table is the same each time, so it is kept with the
// segment. To fold the shares of many segments into one table takes as long as
// there are segments and groups in them, so what they amount to together is kept
// too: once a question has found the shares of all of them kept.

// sharedMin is of how many parts at least what they amount to together is kept.
const sharedMin = 3

// shared is the segments that keep what they amount to, all rows of which are meant.
type shared struct {
	parts []part.Part
	at    []int       // which ones of all
	rest  []part.Part // all others
	memo  part.Memo   // one of them, which keeps what they amount to together
	key   string      // under this key; it names all of them
}

// shared returns what there is of such parts; nil if that is not worth keeping.
func (g *groups) shared() *shared {
	if g.key == "" {
		return nil
	}
	of := &shared{}
	all := sha256.New()
	for i, p := range g.parts {
		memo, ok := p.(part.Memo)
		if !ok || !memo.Sealed() || p.Rows() == 0 || !g.contains(p) {
			of.rest = append(of.rest, p)
			continue
		}
		id := memo.Identity()
		all.Write(append(binary.AppendUvarint(nil, uint64(len(id))), id...))
		of.parts, of.at, of.memo = append(of.parts, p), append(of.at, i), memo
	}
	if len(of.parts) < sharedMin {
		return nil
	}
	of.key = "together " + string(all.Sum(nil)) + g.key
	return of
}

var errNotKept = errors.New("not kept")

// kept returns what the parts amount to together, nil if that is not kept.
func (s *shared) kept() *partial {
	value, err := s.memo.Memo(s.key, func() (any, int64, error) { return nil, 0, errNotKept })
	if err != nil {
		return nil
	}
	return value.(*partial)
}

// visitAll adds all parts.
func (g *groups) visitAll() error {
	parts, shared := g.parts, g.shared()
	if shared != nil {
		if found := shared.kept(); found != nil {
			parts = shared.rest
			if err := g.settle(g.turn(func() error { return g.addShared(shared, found) })); err != nil {
				return err
			}
			shared = nil
		}
	}
	kept := make([]*partial, len(parts))
	err := g.settle(g.each(len(parts), func(i int) (err error) {
		kept[i], err = g.visit(parts[i])
		return wrapPart(err)
	}))
	if err != nil || shared == nil {
		return err
	}
	shares := make([]*partial, len(shared.at))
	for i, at := range shared.at { // blocks of the head keep theirs, too, and are no part of it
		shares[i] = kept[at]
	}
	return g.keep(shared, shares)
}

// addShared adds what parts amount to together.
func (g *groups) addShared(of *shared, found *partial) error {
	for _, p := range of.parts {
		if _, _, err := g.bounds(p); err != nil {
			return err
		}
	}
	if g.limits.Usage != nil {
		g.limits.Usage.Remembered.Add(uint64(len(of.parts)))
	}
	g.add(found)
	return nil
}

// keep keeps what the shared parts amount to together, if their shares all were
// kept (else one is nil) and nothing was left out. A question that is asked once
// costs no more.
func (g *groups) keep(of *shared, shares []*partial) error {
	if slices.Contains(shares, nil) || !g.outcome().Complete {
		return nil
	}
	return g.settle(g.turn(func() error {
		together := newGroups(g.run)
		for _, found := range shares {
			together.add(found)
		}
		_, err := of.memo.Memo(of.key, func() (any, int64, error) {
			whole := together.whole()
			whole.reason = g.outcome().Reason
			return whole, whole.bytes(), nil
		})
		return err
	}))
}

// remembered returns what rows of a part amount to: kept from the last time,
// where all rows of a part that never changes are meant; known says that it was.
func (g *groups) remembered(p part.Part, lo, hi uint32) (found *partial, known bool, err error) {
	memo, ok := p.(part.Memo)
	if ok && lo == 0 && hi == p.Rows() && g.key != "" {
		known = true
		value, err := memo.Memo(g.key, func() (any, int64, error) {
			known = false
			found, err := g.part(p, lo, hi)
			if err != nil {
				return nil, 0, err
			}
			if found == nil {
				found = newPartial(0, 0, g.keys(), g.newAggs())
			}
			found.seal()
			bytes := found.bytes()
			if bytes >= 0 {
				found.detach()
			}
			return found, bytes, nil
		})
		if err != nil {
			return nil, false, err
		}
		if known && g.limits.Usage != nil {
			g.limits.Usage.Remembered.Add(1)
		}
		return value.(*partial), known, nil
	}
	found, err = g.part(p, lo, hi)
	if found != nil {
		found.seal()
	}
	return found, false, err
}

// newKey returns what says all that decides what the rows of a part amount to, ""
// if that cannot be said.
func (g *groups) newKey() string {
	dst, ok := part.AppendKey([]byte("table "), g.plan.Expr)
	if !ok {
		return ""
	}
	if g.plan.Volatile {
		return ""
	}
	dst = append(binary.AppendUvarint(dst, uint64(len(g.plan.Key))), g.plan.Key...)
	if g.plan.Dedup { // the order decides
		for _, key := range g.plan.Sort {
			desc := byte(0)
			if key.Desc {
				desc = 1
			}
			dst = append(binary.AppendUvarint(append(dst, 4, desc), uint64(len(key.Field))), key.Field...)
		}
	}
	for _, key := range g.table.Keys {
		dst = binary.AppendVarint(append(dst, 1), int64(key.Auto))
		dst = appendText(dst, key.Field)
		if key.Calendar != nil {
			dst = key.Calendar.AppendKey(append(dst, 1))
		}
		if key.Numbers != nil {
			dst = appendText(append(dst, 2), key.Numbers.Key())
		}
	}
	for _, agg := range g.table.Aggs {
		dst = binary.AppendVarint(append(dst, 2, byte(agg.Func)), agg.Percentile)
		dst = appendText(dst, agg.Field)
		if agg.Where != nil {
			if dst, ok = part.AppendKey(append(dst, 4), agg.Where); !ok {
				return ""
			}
		}
	}
	if g.table.Facets != nil {
		dst = append(dst, 5)
		for _, field := range g.table.Facets.Fields {
			dst = appendText(dst, field)
		}
	}
	for _, limit := range []int{g.max, g.limits.Distinct, g.limits.Values} {
		dst = binary.AppendVarint(append(dst, 3), int64(limit))
	}
	return string(dst)
}
