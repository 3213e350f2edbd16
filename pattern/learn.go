package pattern

import (
	"math"
	"slices"
	"strings"
)

// What speaks for a position's being a variable, and how much of it is needed.
// Chosen on half of the labelled systems, checked on the others; docs/patterns.md.
const (
	needed      = 0.4  // of the position that least looks like a variable
	neededMore  = 0.5  // for each further such position
	ofValues    = -2.0 // to which the logarithm of the number of values is added
	ofTwo       = -1.0 // two values are hardly evidence
	ofNames     = 1.0  // values look like names of things
	ofCodes     = 0.5  // so much of a name is an abbreviation in capitals
	ofGaps      = 2.0  // some values vary by form
	ofKnown     = 4.0  // it varied before
	ofQuotes    = 1.0  // all stand in quotes or brackets
	ofNothing   = 1.5  // one is a dash, for what is not there
	ofCue       = 1.0  // what stands before introduces a name
	ofActions   = -2.5 // values say what happened
	ofFunctions = -4.0 // values are words like "not"
	ofFirst     = -1.2 // the first word says what the statement is
	ofFree      = 10.0
	constants   = 2.0  // words for each variable
	ofForm      = 0.25 // so much of a word is what varies by its form: lines of access logs have no words
	sure        = 1.5  // from such a score on, one is enough
	many        = 2.0  // from such a score on a position is a variable whatever others are:
	ofMany      = 0.5  // it asks for half of a word
	// What varies in all combinations: so many values of each, no greater share of them words
	// that say what happened (names such as "billing" look like that), so many times as many
	// rows as values, so many of the pairs that chance makes.
	combinedValues  = 3
	combinedTelling = 0.25
	combinedRows    = 2
	combinedShare   = 0.6

	splitScore  = 0.15
	splitWork   = 1 << 25 // steps from which on not every position is tried
	splitTries  = 4       // positions that are tried then
	codeLetters = 4       // of an abbreviation
	gapLetters  = 2       // letters of a token with a gap that is more than a number with its unit
)

// group is outlines of one length. What is learned of it is which positions vary.
// One goroutine uses it.
type group struct {
	l      *learning
	length int
	left   int      // steps that may be taken yet
	words  []string // of the numbers in rows
	kinds  []trait  // of the words
	rows   [][]uint32
	seen   []uint32 // word -> the last count that has met it
	count  uint32
}

// newGroup returns a group of distinct outlines.
func newGroup(l *learning, length int, outlines [][]string) *group {
	g := &group{l: l, length: length, rows: make([][]uint32, 0, len(outlines))}
	numbers := map[string]uint32{}
	room := make([]uint32, len(outlines)*length)
	for _, tokens := range outlines {
		row := room[:length:length]
		room = room[length:]
		for i, token := range tokens {
			number, known := numbers[token]
			if !known {
				number = uint32(len(g.words))
				numbers[token] = number
				g.words = append(g.words, token)
				g.kinds = append(g.kinds, l.traits.of(token))
			}
			row[i] = number
		}
		g.rows = append(g.rows, row)
	}
	g.seen = make([]uint32, len(g.words))
	return g
}

// rounds is how often outlines are looked at, at most.
const rounds = 3

// ofLength returns the patterns of outlines of one length in which words vary, and the outlines
// that none of them covers. What was cut apart at one position may prove to be one pattern
// when it is known which others vary: patterns are looked at again, with the rest. Outlines
// that are too much work to cut apart are left as they are.
func (l *learning) ofLength(length int, outlines [][]string) (found, rest [][]string) {
	rest = outlines
	left := splitFree + splitSteps*length*len(outlines)
	for range rounds {
		rows := slices.Concat(found, rest)
		slices.SortFunc(rows, func(a, b []string) int { return slices.Compare(a, b) })
		g := newGroup(l, length, rows)
		g.left = left
		last, tree := found, &node{}
		found = nil
		g.learn(slices.Clone(g.rows), func(rows [][]uint32) {
			if tokens := g.tokens(rows); slices.ContainsFunc(tokens, varies) {
				found = append(found, tokens)
				tree.add(tokens, &Pattern{})
			}
		})
		left = g.left
		rest = slices.DeleteFunc(slices.Clone(rest), func(tokens []string) bool {
			looks := findSteps
			covered := tree.find(tokens, &looks) != nil
			l.took(findSteps - looks)
			return covered
		})
		if len(found) < 2 || slices.EqualFunc(found, last, slices.Equal) {
			break
		}
	}
	return found, rest
}

// varies reports whether a token was learned to vary.
func varies(token string) bool { return strings.Contains(token, wild) }

// position is what rows have at one place.
type position struct {
	values []uint32 // distinct, ascending
	score  float64  // how much speaks for a variable
	free   bool     // varies whatever else is there
}

// spend takes steps. It reports whether there were as many.
func (g *group) spend(n int) bool {
	g.left -= n
	return !g.l.took(n) && g.left >= 0
}

// learn calls found with rows that are one pattern, until all have been. When there are no
// steps left each row is one.
func (g *group) learn(rows [][]uint32, found func(rows [][]uint32)) {
	if len(rows) == 1 {
		found(rows)
		return
	}
	at := -1
	var positions []position
	if g.spend(g.length * len(rows)) {
		if positions = g.positions(rows); !g.alike(positions) && !g.combined(rows, positions) {
			at = g.splitAt(rows, positions)
		}
	}
	if g.left < 0 {
		for i := range rows {
			found(rows[i : i+1])
		}
		return
	}
	if at < 0 {
		found(rows)
		return
	}
	for _, part := range split(rows, at, positions[at].values) {
		g.learn(part, found)
	}
}

// split cuts rows by what they have at a position.
func split(rows [][]uint32, at int, values []uint32) [][][]uint32 {
	parts := make([][][]uint32, len(values))
	for _, row := range rows {
		n, _ := slices.BinarySearch(values, row[at])
		parts[n] = append(parts[n], row)
	}
	return parts
}

// positions looks at each place of the rows.
func (g *group) positions(rows [][]uint32) []position {
	positions := make([]position, g.length)
	for at := range positions {
		p := &positions[at]
		p.values = g.values(rows, at)
		if len(p.values) > 1 {
			g.judge(p, at, rows)
		}
	}
	return positions
}

// values returns the distinct values at a position.
func (g *group) values(rows [][]uint32, at int) (values []uint32) {
	g.count++
	for _, row := range rows {
		if v := row[at]; g.seen[v] != g.count {
			g.seen[v] = g.count
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return values
}

// distinct returns how many values there are at a position.
func (g *group) distinct(rows [][]uint32, at int) (n int) {
	g.count++
	for _, row := range rows {
		if v := row[at]; g.seen[v] != g.count {
			g.seen[v] = g.count
			n++
		}
	}
	return n
}

// judge says how much speaks for a position's being a variable.
func (g *group) judge(p *position, at int, rows [][]uint32) {
	k := float64(len(p.values))
	var names, actions, functions, typed, quoted, gaps, known float64
	nothing := false
	for _, v := range p.values {
		t := g.kinds[v]
		switch {
		case t&learned != 0:
			known++
		case t&hasGap != 0:
			gaps++
			if letters(g.words[v]) <= gapLetters {
				typed++
			}
		case t&(literal|unit|bare) != 0:
			typed++
		case t&function != 0:
			functions++
		case t&action != 0 && t&method == 0:
			actions++
		case t&identifier != 0:
			names++
		case t&capitals != 0 && len(g.words[v]) <= codeLetters:
			names += ofCodes
		}
		if t&enclosed != 0 {
			quoted++
		}
		nothing = nothing || isNothing(g.words[v])
	}
	if typed+known == k {
		p.free, p.score = true, ofFree
		return
	}
	p.score = math.Log2(k) + ofValues + (ofNames*names+ofActions*actions+ofFunctions*functions)/k
	switch {
	case known > 0:
		p.score += ofKnown
	case gaps > 0:
		p.score += ofGaps
	case k == 2 && quoted < k && !g.named(rows, at):
		p.score += ofTwo
	}
	if quoted == k {
		p.score += ofQuotes
	}
	if nothing {
		p.score += ofNothing
	}
	if at == 0 {
		p.score += ofFirst
		return
	}
	before := g.values(rows, at-1)
	cues := 0
	for _, v := range before {
		if g.kinds[v]&cue != 0 {
			cues++
		}
	}
	p.score += ofCue * float64(cues) / float64(len(before))
}

// named reports whether what stands before a position always says that a name comes.
func (g *group) named(rows [][]uint32, at int) bool {
	if at == 0 {
		return false
	}
	for _, v := range g.values(rows, at-1) {
		if g.kinds[v]&nameCue == 0 {
			return false
		}
	}
	return true
}

// alike reports whether rows with these positions are one pattern: what is the same
// outweighs what varies, and what varies looks like variables.
func (g *group) alike(positions []position) bool {
	same, varying, doubtful, least := 0.0, 0.0, 0.0, math.Inf(1)
	for _, p := range positions {
		if len(p.values) == 1 {
			same += g.constant(p.values[0])
		} else if !p.free {
			varying++
			if p.score > many {
				doubtful += ofMany
			} else {
				doubtful++
			}
			least = min(least, p.score)
		}
	}
	if varying == 0 {
		return true
	}
	if same < constants*varying && (same < doubtful || least <= sure) {
		return false
	}
	return least >= needed+neededMore*(varying-1)
}

// constant is how many words a token counts for that all rows have.
func (g *group) constant(v uint32) float64 {
	if g.kinds[v]&(bare|hasGap) == 0 || letters(g.words[v]) > gapLetters {
		return 1
	}
	return ofForm
}

// combined reports whether what varies in rows is there in nearly all combinations, and in
// more of them than there could be statements, while as many words are always the same: words
// of which none tells anything of the others, as names in several columns, are variables
// whatever they look like.
func (g *group) combined(rows [][]uint32, positions []position) bool {
	var at []int
	same, values := 0.0, 0
	for i, p := range positions {
		switch {
		case len(p.values) == 1:
			same += g.constant(p.values[0])
		case p.free:
		case len(p.values) < combinedValues || float64(g.telling(p.values)) > combinedTelling*float64(len(p.values)):
			return false
		default:
			at = append(at, i)
			values += len(p.values)
		}
	}
	if len(at) < 2 || same < float64(len(at)) || len(rows) < combinedRows*values {
		return false
	}
	seen := make(map[[2]uint32]struct{}, len(rows))
	for i, a := range at {
		for _, b := range at[i+1:] {
			if !g.spend(len(rows)) {
				return false
			}
			clear(seen)
			for _, row := range rows {
				seen[[2]uint32{row[a], row[b]}] = struct{}{}
			}
			most := float64(len(positions[a].values) * len(positions[b].values))
			if byChance := most * (1 - math.Exp(-float64(len(rows))/most)); float64(len(seen)) < combinedShare*byChance {
				return false
			}
		}
	}
	return true
}

// telling returns how many values say what happened, or how things are.
func (g *group) telling(values []uint32) (n int) {
	for _, v := range values {
		if g.kinds[v]&(action|function) != 0 {
			n++
		}
	}
	return n
}

// splitAt returns the position that best tells statements apart: after a cut there
// the least is left to be said of the parts. It returns -1 if there is none.
func (g *group) splitAt(rows [][]uint32, positions []position) int {
	varying := 0
	for _, p := range positions {
		if len(p.values) > 1 {
			varying++
		}
	}
	best, least := -1, math.Inf(1)
	for _, at := range g.candidates(rows, positions) {
		p := positions[at]
		if !g.spend(len(rows) * varying) {
			break
		}
		cost := 0.0
		for _, part := range split(rows, at, p.values) {
			cost += float64(g.length)
			if len(part) == 1 {
				continue
			}
			for other := range positions {
				if other == at || len(positions[other].values) < 2 {
					continue
				}
				if k := g.distinct(part, other); k > 1 {
					cost += float64(k)
				}
			}
		}
		cost *= 1 + splitScore*max(0, p.score)
		if cost < least {
			best, least = at, cost
		}
	}
	return best
}

// candidates returns the positions at which rows may be cut; of many rows only those
// with the fewest values.
func (g *group) candidates(rows [][]uint32, positions []position) (at []int) {
	for i, p := range positions {
		if len(p.values) > 1 && !p.free {
			at = append(at, i)
		}
	}
	if len(at) > splitTries && len(rows)*len(at)*len(at) > splitWork {
		slices.SortStableFunc(at, func(a, b int) int { return len(positions[a].values) - len(positions[b].values) })
		at = at[:splitTries]
	}
	return at
}

// tokens returns the tokens that rows share, with what was learned where they differ.
func (g *group) tokens(rows [][]uint32) []string {
	tokens := make([]string, g.length)
	for at := range tokens {
		if values := g.values(rows, at); len(values) == 1 {
			tokens[at] = g.words[values[0]]
		} else {
			tokens[at] = g.common(values)
		}
	}
	return tokens
}

// common returns what stands for several values: a gap between the punctuation that
// all have.
func (g *group) common(values []uint32) string {
	lead, trail := g.words[values[0]], g.words[values[0]]
	shortest := len(lead)
	for _, v := range values[1:] {
		word := g.words[v]
		shortest = min(shortest, len(word))
		n := 0
		for n < min(len(lead), len(word)) && lead[n] == word[n] {
			n++
		}
		lead = lead[:n]
		for n = 0; n < min(len(trail), len(word)) && trail[len(trail)-1-n] == word[len(word)-1-n]; n++ {
		}
		trail = trail[len(trail)-n:]
	}
	lead = lead[:strings.LastIndexAny(lead, hard)+1]
	if at := strings.IndexAny(trail, closing); at >= 0 {
		trail = trail[at:]
	} else {
		trail = ""
	}
	trail = trail[max(0, len(lead)+len(trail)-shortest):]
	return lead + wild + trail
}
