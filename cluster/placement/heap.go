package placement

import "iter"

// ranks are the nodes of a zone by how full they are: a binary heap that knows
// where each node is, and that can be walked from its top without being changed.
type ranks struct {
	nodes []int32
	place []int32   // of every node of the model; shared by the zones
	fill  []float64 // of every node of the model
	most  bool      // the fullest is at the top, else the emptiest
	front []int32   // of a walk
}

// before reports whether node a stands above node b. Nodes that are equally
// full are in the order of their ids.
func (r *ranks) before(a, b int32) bool {
	if fa, fb := r.fill[a], r.fill[b]; fa != fb {
		return (fa < fb) != r.most
	}
	return a < b
}

func (r *ranks) swap(i, j int32) {
	r.nodes[i], r.nodes[j] = r.nodes[j], r.nodes[i]
	r.place[r.nodes[i]], r.place[r.nodes[j]] = i, j
}

func (r *ranks) add(node int32) {
	r.place[node] = int32(len(r.nodes))
	r.nodes = append(r.nodes, node)
	r.up(r.place[node])
}

// fix puts a node whose fill has changed where it belongs.
func (r *ranks) fix(node int32) {
	r.up(r.place[node])
	r.down(r.place[node])
}

func (r *ranks) up(i int32) {
	for i > 0 {
		parent := (i - 1) / 2
		if !r.before(r.nodes[i], r.nodes[parent]) {
			return
		}
		r.swap(i, parent)
		i = parent
	}
}

func (r *ranks) down(i int32) {
	for {
		top := i
		for child := 2*i + 1; child <= 2*i+2 && int(child) < len(r.nodes); child++ {
			if r.before(r.nodes[child], r.nodes[top]) {
				top = child
			}
		}
		if top == i {
			return
		}
		r.swap(i, top)
		i = top
	}
}

// walk gives the nodes from the top on, in order. It costs by how far it is
// walked: the front has the nodes whose parents have been given. The heap must
// not change meanwhile, and there is one walk at a time.
func (r *ranks) walk() iter.Seq[int32] {
	return func(yield func(int32) bool) {
		r.front = r.front[:0]
		if len(r.nodes) > 0 {
			r.front = append(r.front, 0)
		}
		for len(r.front) > 0 {
			place := r.take()
			if !yield(r.nodes[place]) {
				return
			}
			for child := 2*place + 1; child <= 2*place+2 && int(child) < len(r.nodes); child++ {
				r.put(child)
			}
		}
	}
}

// put and take make a heap of the front.
func (r *ranks) put(place int32) {
	r.front = append(r.front, place)
	for i := len(r.front) - 1; i > 0; {
		parent := (i - 1) / 2
		if !r.before(r.nodes[r.front[i]], r.nodes[r.front[parent]]) {
			return
		}
		r.front[i], r.front[parent] = r.front[parent], r.front[i]
		i = parent
	}
}

func (r *ranks) take() int32 {
	first, last := r.front[0], len(r.front)-1
	r.front[0] = r.front[last]
	r.front = r.front[:last]
	for i := 0; ; {
		top := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if r.before(r.nodes[r.front[child]], r.nodes[r.front[top]]) {
				top = child
			}
		}
		if top == i {
			return first
		}
		r.front[i], r.front[top] = r.front[top], r.front[i]
		i = top
	}
}
