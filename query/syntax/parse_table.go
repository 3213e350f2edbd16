package syntax

import "strings"

// What the pipes that make a table of records take without a number.
const (
	topDefault      = 10
	facetsDefault   = 5
	patternsDefault = 20
	bucketsDefault  = 20 // of numbers
	timesDefault    = 60 // of times
)

// count reads a number of rows if one stands here.
func (p *parser) count(fallback int) (int, error) {
	start := p.pos
	word := p.pipeWord()
	p.pos = start
	if word == "" || strings.Trim(word, "0123456789") != "" {
		return fallback, nil
	}
	return p.number(1)
}

// fieldSet reads names of fields, each once.
func (p *parser) fieldSet() (names []Name, err error) {
	err = p.list(func() error {
		name, err := p.name("a field")
		if err != nil {
			return err
		}
		for _, known := range names {
			if known.Text == name.Text {
				return NewError(p.text, name.Pos, "the field %q is there twice", name.Text)
			}
		}
		names = append(names, name)
		return nil
	})
	return names, err
}

// top reads what follows top or rare.
func (p *parser) top(at Pos, rare bool) (Pipe, error) {
	n, err := p.count(topDefault)
	if err != nil {
		return nil, err
	}
	p.takeWord("by")
	names, err := p.fieldSet()
	return &Top{Pos: at, Rare: rare, N: n, Fields: names}, err
}

// histogram reads a field and how it is cut.
func (p *parser) histogram(at Pos) (Pipe, error) {
	name, err := p.name("a field")
	if err != nil {
		return nil, err
	}
	h := &Histogram{Pos: at, Key: Key{Pos: name.Pos, Field: name.Text}, Buckets: bucketsDefault}
	if IsTime(name.Text) {
		h.Buckets = timesDefault
	}
	switch {
	case p.takeWord("by"), p.takeMark(":"):
		err = p.bucket(&h.Key)
		h.Buckets = 0
	case p.takeWord("buckets"):
		start := Pos(p.pos)
		if h.Buckets, err = p.number(1); err == nil && h.Buckets > BucketMax {
			err = NewError(p.text, start, "a histogram has at most %d buckets", BucketMax)
		}
	}
	return h, err
}

// facets reads how many values of which fields.
func (p *parser) facets(at Pos) (Pipe, error) {
	f := &Facets{Pos: at}
	var err error
	if f.N, err = p.count(facetsDefault); err != nil {
		return nil, err
	}
	if p.takeWord("of") {
		f.Of, err = p.fieldSet()
	}
	return f, err
}

// patterns reads how many patterns.
func (p *parser) patterns(at Pos) (Pipe, error) {
	n, err := p.count(patternsDefault)
	return &Patterns{Pos: at, N: n}, err
}
