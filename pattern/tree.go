package pattern

import (
	"slices"
	"strings"
)

// node is a place in the tree of patterns of one length.
type node struct {
	exact   map[string]*node
	between []edge // in order
	pattern *Pattern
}

// edge is a token that was learned to vary.
type edge struct {
	lead, trail string // what is around it
	to          *node
}

func (n *node) add(tokens []string, p *Pattern) {
	for _, token := range tokens {
		n = n.child(token)
	}
	n.pattern = p
}

// child returns the node behind a token, and makes it if there is none.
func (n *node) child(token string) *node {
	if lead, trail, varies := strings.Cut(token, wild); varies {
		for _, e := range n.between {
			if e.lead == lead && e.trail == trail {
				return e.to
			}
		}
		to := &node{}
		n.between = append(n.between, edge{lead, trail, to})
		slices.SortFunc(n.between, func(a, b edge) int {
			if d := len(b.lead) + len(b.trail) - len(a.lead) - len(a.trail); d != 0 {
				return d
			}
			return strings.Compare(a.lead+wild+a.trail, b.lead+wild+b.trail)
		})
		return to
	}
	if n.exact == nil {
		n.exact = map[string]*node{}
	}
	to := n.exact[token]
	if to == nil {
		to = &node{}
		n.exact[token] = to
	}
	return to
}

// find returns the pattern that covers tokens, of several one with the same words as
// far to the left as possible.
func (n *node) find(tokens []string) *Pattern {
	if len(tokens) == 0 {
		return n.pattern
	}
	if to := n.exact[tokens[0]]; to != nil {
		if p := to.find(tokens[1:]); p != nil {
			return p
		}
	}
	for _, e := range n.between {
		if e.covers(tokens[0]) {
			if p := e.to.find(tokens[1:]); p != nil {
				return p
			}
		}
	}
	return nil
}

// covers reports whether a token is one of those that the edge stands for.
func (e *edge) covers(token string) bool {
	return len(token) >= len(e.lead)+len(e.trail) && strings.HasPrefix(token, e.lead) && strings.HasSuffix(token, e.trail)
}
