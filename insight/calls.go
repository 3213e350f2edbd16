package insight

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits of calls.
const (
	EdgesMax       = 500
	StepsMax       = 1000
	stepsDefault   = 200
	correlationMax = 256
)

// isCall is the condition on records of POST /integration/cross-service.
const isCall = `category:=integration sourceService:*`

// correlationFields returns the fields that say which request a record belongs to.
func correlationFields() []string {
	return []string{"correlationId", "correlation_id", "metadata.correlationId", "traceId", "trace_id", "trace.id", "requestId"}
}

// Graph is which services call which.
type Graph struct {
	Completeness
	TimeRange TimeRange `json:"timeRange"`
	Nodes     []Node    `json:"nodes"` // those with most calls first
	Edges     []Edge    `json:"edges"` // those with most calls first
}

// Node is a service in a graph.
type Node struct {
	Service    string  `json:"service"`
	Calls      int64   `json:"calls"`      // that it made
	Called     int64   `json:"called"`     // calls of it
	Errors     int64   `json:"errors"`     // of the calls of it
	ErrorShare float64 `json:"errorShare"` // percent of the calls of it
	Untargeted int64   `json:"untargeted"` // of the calls that it made: those that name no service
	Registered *bool   `json:"registered,omitempty"`
	Status     string  `json:"status,omitempty"` // of a registered one: active, unreachable, unknown
}

// Edge is the calls of one service by another.
type Edge struct {
	Source     string     `json:"source"`
	Target     string     `json:"target"`
	Calls      int64      `json:"calls"`
	Errors     int64      `json:"errors"`
	ErrorShare float64    `json:"errorShare"` // percent
	Operations int64      `json:"operations"` // different ones
	First      *time.Time `json:"firstSeen"`
	Last       *time.Time `json:"lastSeen"`
}

// Graph returns which services call which in a window, as POST /integration/cross-service
// was told. Of more than EdgesMax edges those with most calls are there, and the answer
// says that it is not complete.
func (s *Service) Graph(ctx context.Context, scope Scope) (*Graph, error) {
	a, err := s.asker(ctx, scope)
	if err != nil {
		return nil, err
	}
	g := &Graph{TimeRange: scope.Window.timeRange(), Nodes: []Node{}, Edges: []Edge{}}
	nodes := map[string]*Node{}
	of := func(name string) *Node {
		if nodes[name] == nil {
			nodes[name] = &Node{Service: name}
		}
		return nodes[name]
	}
	rows := a.table(isCall, "stats count() as n, count_if("+isError+"), count_distinct(operation), min(_time), max(_time) by (sourceService, targetService) | sort by n desc | limit "+fmt.Sprint(EdgesMax+1))
	if len(rows) > EdgesMax {
		a.reasons = append(a.reasons, fmt.Sprintf("there are more than %d pairs of services; those with most calls are shown", EdgesMax))
		rows = rows[:EdgesMax]
	}
	for _, row := range rows {
		source, calls, errors := of(label(row[0], "")), whole(row[2]), whole(row[3])
		source.Calls += calls
		if row[1] == nil || label(row[1], "") == "" {
			source.Untargeted += calls
			continue
		}
		target := of(label(row[1], ""))
		target.Called, target.Errors = target.Called+calls, target.Errors+errors
		g.Edges = append(g.Edges, Edge{Source: source.Service, Target: target.Service, Calls: calls, Errors: errors, ErrorShare: share(errors, calls), Operations: whole(row[4]), First: at(row[5]), Last: at(row[6])})
	}
	for _, name := range sortedKeys(nodes) {
		n := nodes[name]
		n.ErrorShare = share(n.Errors, n.Called)
		g.Nodes = append(g.Nodes, *n)
	}
	slices.SortStableFunc(g.Nodes, func(a, b Node) int { return cmp.Compare(b.Calls+b.Called, a.Calls+a.Called) })
	slices.SortStableFunc(g.Edges, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Target, b.Target))
	})
	g.Completeness = a.completeness()
	return g, a.err
}

// Timeline is what happened for one request, in the order of time.
type Timeline struct {
	Completeness
	CorrelationID string     `json:"correlationId"`
	TimeRange     TimeRange  `json:"timeRange"` // in which it was looked
	Start         *time.Time `json:"start"`     // of the first step
	End           *time.Time `json:"end"`       // of the last one
	Duration      float64    `json:"durationMs"`
	Services      []string   `json:"services"` // in the order in which they come
	Errors        int        `json:"errors"`   // steps
	Steps         []Step     `json:"steps"`
	More          bool       `json:"more"` // there are steps after these
}

// Step is a record of a timeline.
type Step struct {
	ID        string    `json:"id"`
	Timestamp time.Time `json:"timestamp"`
	Offset    float64   `json:"offsetMs"` // from the first step
	Level     string    `json:"level,omitempty"`
	Service   string    `json:"service,omitempty"` // its source, else its component
	Target    string    `json:"target,omitempty"`
	Operation string    `json:"operation,omitempty"`
	Message   string    `json:"message,omitempty"` // its beginning
}

// TimelineRequest asks for the timeline of one request.
type TimelineRequest struct {
	Scope
	CorrelationID string
	Limit         int // of steps; 0: the default
}

// Timeline returns the records that belong to one request, of whatever component.
func (s *Service) Timeline(ctx context.Context, request TimelineRequest) (*Timeline, error) {
	if request.CorrelationID == "" || len(request.CorrelationID) > correlationMax {
		return nil, &ParamError{Param: "correlationId", Message: fmt.Sprintf("has %d bytes, want 1 to %d", len(request.CorrelationID), correlationMax)}
	}
	a, err := s.asker(ctx, request.Scope)
	if err != nil {
		return nil, err
	}
	limit := cmp.Or(request.Limit, stepsDefault)
	var conditions []string
	for _, field := range correlationFields() {
		conditions = append(conditions, exactly(field, request.CorrelationID))
	}
	t := &Timeline{CorrelationID: request.CorrelationID, TimeRange: request.Window.timeRange(), Steps: []Step{}, Services: []string{}}
	found := a.ask(strings.Join(conditions, " OR "), "sort by _time", limit)
	for i := range found.Hits {
		hit := &found.Hits[i]
		text := func(names ...string) string {
			for _, name := range names {
				if f, there := hit.Record.Get(name); there && f.Text != "" {
					return f.Text
				}
			}
			return ""
		}
		step := Step{ID: hit.ID.String(), Timestamp: time.Unix(0, hit.Record.Time).UTC(), Level: text("level"), Service: text("sourceService", "service", "service.name", "component"),
			Target: text("targetService"), Operation: text("operation"), Message: shortened(text("message"))}
		if t.Start == nil {
			t.Start = &step.Timestamp
		}
		t.End = &step.Timestamp
		step.Offset = milliseconds(step.Timestamp.Sub(*t.Start))
		for _, name := range []string{step.Service, step.Target} {
			if name != "" && !slices.Contains(t.Services, name) {
				t.Services = append(t.Services, name)
			}
		}
		if step.Level == "error" || step.Level == "critical" {
			t.Errors++
		}
		t.Steps = append(t.Steps, step)
	}
	if t.Start != nil {
		t.Duration = milliseconds(t.End.Sub(*t.Start))
	}
	t.More, t.Completeness = found.HasMore, a.completeness()
	return t, a.err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
