package syntax

import "strconv"

func (p *Stats) appendTo(dst []byte) []byte {
	dst = append(dst, "stats "...)
	for i, agg := range p.Aggs {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(append(dst, agg.Func...), '(')
		switch {
		case agg.Where != nil:
			dst = appendNode(dst, agg.Where, false)
		case agg.Field != "":
			dst = appendName(dst, agg.Field)
		}
		dst = append(dst, ')')
		if agg.As != "" {
			dst = appendName(append(dst, " as "...), agg.As)
		}
	}
	for i, key := range p.By {
		dst = append(dst, map[bool]string{true: " by (", false: ", "}[i == 0]...)
		dst = appendKey(dst, key)
	}
	if len(p.By) > 0 {
		dst = append(dst, ')')
	}
	return dst
}

// appendKey prints a field or bucket.
func appendKey(dst []byte, key Key) []byte {
	dst = appendName(dst, key.Field)
	if key.Cut() {
		dst = appendBucket(append(dst, ':'), key)
	}
	return dst
}

// appendBucket prints how a key cuts.
func appendBucket(dst []byte, key Key) []byte {
	switch {
	case key.Width != "":
		dst = append(dst, key.Width...)
	case key.Months > 0:
		dst = append(strconv.AppendInt(dst, int64(key.Months), 10), "mo"...)
	default:
		dst = append(dst, FormatDuration(key.Bucket)...)
	}
	if key.Zone != "" {
		dst = appendQuoted(append(dst, " tz "...), key.Zone)
	}
	if key.Offset > 0 {
		dst = append(append(dst, " offset "...), FormatDuration(key.Offset)...)
	}
	return dst
}

// appendNames prints names between commas.
func appendNames(dst []byte, names []Name) []byte {
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendName(dst, name.Text)
	}
	return dst
}

func (p *Top) appendTo(dst []byte) []byte {
	dst = append(dst, map[bool]string{true: "rare ", false: "top "}[p.Rare]...)
	dst = strconv.AppendInt(dst, int64(p.N), 10)
	return appendNames(append(dst, ' '), p.Fields)
}

func (p *Histogram) appendTo(dst []byte) []byte {
	dst = appendName(append(dst, "histogram "...), p.Key.Field)
	if p.Key.Cut() {
		return appendBucket(append(dst, " by "...), p.Key)
	}
	return strconv.AppendInt(append(dst, " buckets "...), int64(p.Buckets), 10)
}

func (p *Facets) appendTo(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, "facets "...), int64(p.N), 10)
	if len(p.Of) > 0 {
		dst = appendNames(append(dst, " of "...), p.Of)
	}
	return dst
}

func (p *Patterns) appendTo(dst []byte) []byte {
	return strconv.AppendInt(append(dst, "patterns "...), int64(p.N), 10)
}
