package exec

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
)

// What a segment amounts to in a table is the same each time, so it is kept with the
// segment. To fold the shares of many segments into one table takes as long as there are
// segments and groups in them, and shares that are large push each other out of the
// cache. So what they amount to together is kept too: of all of them, for questions that
// repeat, and of bundles of some, so that a segment more does not make all of them be
// looked at again.

const (
	// sharedMin is of how many parts at least what they amount to together is kept.
	sharedMin = 3
	// bundleShare is the share of segments, one in so many, that end a bundle: by their
	// identity, so that the others stay the same when one comes or goes.
	bundleShare = 8
	// shareMax is up to how many bytes the share of a segment is kept where a bundle has it.
	shareMax = 64 << 10
	// togetherMax is up to how many groups what all amount to together is kept: it is made
	// of a copy.
	togetherMax = 1 << 16
)

// bundle is segments that keep what they amount to, all rows of which are meant.
type bundle struct {
	parts []part.Part
	memo  part.Memo // one of them, which keeps what they amount to together
	key   string    // under this key; it names all of them. "": that is not kept
}

// newBundle returns a bundle of parts that keep what they amount to.
func (g *groups) newBundle(parts []part.Part) *bundle {
	b := &bundle{parts: parts}
	if len(parts) < sharedMin {
		return b
	}
	all := sha256.New()
	for _, p := range parts {
		b.memo = p.(part.Memo)
		id := b.memo.Identity()
		all.Write(append(binary.AppendUvarint(nil, uint64(len(id))), id...))
	}
	b.key = "together " + string(all.Sum(nil)) + g.key
	return b
}

// bundles returns what there is of such parts, nil if that is not worth keeping, all of
// them in one and in several bundles, and all other parts.
func (g *groups) bundles() (whole *bundle, several []*bundle, rest []part.Part) {
	if g.key == "" {
		return nil, nil, g.parts
	}
	var all, some []part.Part
	for _, p := range g.parts {
		memo, ok := p.(part.Memo)
		if !ok || !memo.Sealed() || p.Rows() == 0 || !g.contains(p) {
			rest = append(rest, p)
			continue
		}
		all, some = append(all, p), append(some, p)
		if sha256.Sum256([]byte(memo.Identity()))[0]%bundleShare == 0 {
			several, some = append(several, g.newBundle(some)), nil
		}
	}
	if len(all) < sharedMin {
		return nil, nil, g.parts
	}
	if len(some) > 0 {
		several = append(several, g.newBundle(some))
	}
	whole = g.newBundle(all)
	whole.key += part.Lasting
	if len(several) == 1 {
		several[0] = whole
	}
	return whole, several, rest
}

var errNotKept = errors.New("not kept")

// kept returns what the parts amount to together, nil if that is not kept.
func (b *bundle) kept() *partial {
	if b.key == "" {
		return nil
	}
	value, err := b.memo.Memo(b.key, func() (any, int64, error) { return nil, 0, errNotKept })
	if err != nil {
		return nil
	}
	return value.(*partial)
}

// keep keeps what the parts amount to together, unless something was left out.
func (g *groups) keep(b *bundle, whole *partial) error {
	outcome := g.outcome()
	if b.key == "" || !outcome.Complete {
		return nil
	}
	_, err := b.memo.Memo(b.key, func() (any, int64, error) { return whole, whole.bytes(), nil })
	return err
}

// visitAll adds all parts.
func (g *groups) visitAll() error {
	whole, several, rest := g.bundles()
	if whole != nil {
		if err := g.visitBundles(whole, several); err != nil {
			return err
		}
	}
	return g.settle(g.each(len(rest), func(i int) error { return wrapPart(g.visit(rest[i], false)) }))
}

// visitBundles adds the parts of bundles.
func (g *groups) visitBundles(whole *bundle, several []*bundle) error {
	if found := whole.kept(); found != nil {
		return g.settle(g.turn(func() error { return g.addKept(whole, found) }))
	}
	table := newGroups(g.run)
	var missing []*bundle
	for _, b := range several {
		found := b.kept()
		if found == nil {
			missing = append(missing, b)
			continue
		}
		if err := g.settle(g.turn(func() error { return table.addKept(b, found) })); err != nil {
			return err
		}
	}
	for len(missing) > 0 {
		n, parts := 0, 0
		for n < len(missing) && parts < 2*g.limits.Workers { // so that all have something to do
			parts += len(missing[n].parts)
			n++
		}
		if err := table.foldBundles(missing[:n]); err != nil {
			return err
		}
		missing = missing[n:]
	}
	if several[0] == whole || len(table.mu.labels) > togetherMax || !g.outcome().Complete {
		g.take(table)
		return nil
	}
	return g.settle(g.turn(func() error {
		found := table.whole()
		g.add(found)
		return g.keep(whole, found)
	}))
}

// foldBundles adds what is not kept, and keeps it.
func (g *groups) foldBundles(bundles []*bundle) error {
	type task struct {
		into    *groups
		part    part.Part
		bundled bool
	}
	var tasks []task
	tables := make([]*groups, len(bundles))
	for i, b := range bundles {
		tables[i] = newGroups(g.run)
		for _, p := range b.parts {
			tasks = append(tasks, task{tables[i], p, b.key != ""})
		}
	}
	err := g.settle(g.each(len(tasks), func(i int) error { return wrapPart(tasks[i].into.visit(tasks[i].part, tasks[i].bundled)) }))
	if err != nil {
		return err
	}
	for i, b := range bundles {
		found := tables[i].whole()
		g.add(found)
		if err := g.keep(b, found); err != nil {
			return err
		}
	}
	return nil
}

// addKept adds what parts amount to together.
func (g *groups) addKept(b *bundle, found *partial) error {
	for _, p := range b.parts {
		if _, _, err := g.bounds(p); err != nil {
			return err
		}
	}
	if g.limits.Usage != nil {
		g.limits.Usage.Remembered.Add(uint64(len(b.parts)))
	}
	g.add(found)
	return nil
}

// remembered returns what rows of a part amount to: kept from the last time,
// where all rows of a part that never changes are meant. It is not kept if it is large and
// the part is in a bundle that is.
func (g *groups) remembered(p part.Part, lo, hi uint32, bundled bool) (*partial, error) {
	memo, ok := p.(part.Memo)
	if ok && lo == 0 && hi == p.Rows() && g.key != "" {
		known := true
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
			if bundled && bytes > shareMax {
				bytes = -1
			}
			return found, bytes, nil
		})
		if err != nil {
			return nil, err
		}
		if known && g.limits.Usage != nil {
			g.limits.Usage.Remembered.Add(1)
		}
		return value.(*partial), nil
	}
	found, err := g.part(p, lo, hi)
	if found != nil {
		found.seal()
	}
	return found, err
}

// Asked is a table that is asked for together with others.
type Asked struct {
	Parts  []part.Part // with the fields that the plan names
	Plan   *plan.Plan
	Limits Limits
}

// Remember computes what each part amounts to in each of some tables, where that is kept
// with the part: Table finds it there. It goes from part to part, so that what is read of
// one is read once for all tables. Each table has the same parts, in the same order.
func Remember(ctx context.Context, parts []part.Part, asked []Asked) error {
	tables := make([]*groups, len(asked))
	for i, one := range asked {
		r := newRun(ctx, Source{Parts: one.Parts}, one.Plan, one.Limits)
		defer r.cancel()
		tables[i] = newGroups(r)
	}
	if len(tables) < 2 {
		return nil // there is nothing to share
	}
	for i, p := range parts {
		if err := rememberPart(p, tables, i); err != nil {
			return wrapPart(err)
		}
	}
	return nil
}

// rememberPart is Remember for the i-th part, which is p.
func rememberPart(p part.Part, tables []*groups, i int) error {
	var open []*groups
	for _, g := range tables {
		memo, ok := g.parts[i].(part.Memo)
		if !ok || !memo.Sealed() || g.key == "" || g.parts[i].Rows() == 0 || !g.contains(g.parts[i]) {
			continue
		}
		if _, err := memo.Memo(g.key, func() (any, int64, error) { return nil, 0, errNotKept }); err != nil {
			open = append(open, g)
		}
	}
	if len(open) < 2 {
		return nil
	}
	if shared, ok := p.(part.Shared); ok {
		var done func()
		share := func() (err error) {
			done, err = shared.Share(open[0].ctx, wordsAnywhere(open))
			return err
		}
		if err := open[0].turn(share); err != nil {
			return err
		}
		defer done()
	}
	return open[0].each(len(open), func(n int) error {
		p := open[n].parts[i]
		_, err := open[n].remembered(p, 0, p.Rows(), false)
		return err
	})
}

// wordsAnywhere returns the words that tables look for in any field: of phrases the longest,
// as short ones are in nearly everything.
func wordsAnywhere(tables []*groups) (words []string) {
	for _, g := range tables {
		index.Map(g.plan.Expr, func(e index.Expr) index.Expr {
			leaf, ok := e.(index.Leaf)
			if !ok || leaf.Field != "" {
				return e
			}
			switch pred := leaf.Pred.(type) {
			case index.Word:
				words = append(words, pred.Folded)
			case index.Phrase:
				of, longest := pred.Hints().Words, 0
				for _, word := range of {
					longest = max(longest, len(word))
				}
				for _, word := range of {
					if len(word) == longest {
						words = append(words, word)
					}
				}
			}
			return e
		})
	}
	return words
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
