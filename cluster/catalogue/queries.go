package catalogue

import (
	"fmt"
	"maps"
	"unicode/utf8"

	"github.com/stere-log/stere/model"
)

// Limits of saved queries.
const (
	// QueriesMax is the largest number of saved queries, QueriesOfTenantMax of one
	// tenant.
	QueriesMax         = 16384
	QueriesOfTenantMax = 256
	// QueryTextMax is the longest text of one in bytes.
	QueryTextMax = 16 << 10
)

// SavedQuery is a query that a tenant has given a name.
type SavedQuery struct {
	Name        string `json:"name"`
	Text        string `json:"text"`
	Description string `json:"description,omitempty"`
	By          string `json:"by,omitempty"` // who saved it last
	Created     int64  `json:"created"`      // Unix ns; set by Apply
	Changed     int64  `json:"changed"`      // Unix ns; set by Apply
	Version     uint64 `json:"version"`      // index of the last change; set by Apply
}

// PutQuery saves a query under its name, in place of one that is there unless New.
type PutQuery struct {
	Tenant model.TenantID `json:"tenant"`
	Query  SavedQuery     `json:"query"`
	New    bool           `json:"new,omitempty"` // one that is there is a conflict
	Time   int64          `json:"time"`
}

// DropQuery forgets a saved query. One that is not there is a conflict.
type DropQuery struct {
	Tenant model.TenantID `json:"tenant"`
	Name   string         `json:"name"`
	Time   int64          `json:"time"`
}

// The kinds of commands on queries, apart from those of command.go.
const (
	kindPutQuery byte = iota + 32
	kindDropQuery
)

func (PutQuery) kind() byte  { return kindPutQuery }
func (DropQuery) kind() byte { return kindDropQuery }

func (c PutQuery) stamped(now int64) Command  { stamp(&c.Time, now); return c }
func (c DropQuery) stamped(now int64) Command { stamp(&c.Time, now); return c }

// ValidQueryName reports whether a text can be the name of a saved query: 1 to
// NameMax letters, digits, '.', '-' and '_'.
func ValidQueryName(name string) bool {
	return name != "" && len(name) <= NameMax && consistsOf(name, nameBytes+"_ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

func (q SavedQuery) check() error {
	switch {
	case !ValidQueryName(q.Name):
		return refuse(ErrInvalid, "name %q of a query, want 1 to %d letters, digits, '.', '-' and '_'", shown(q.Name), NameMax)
	case len(q.Text) > QueryTextMax || !utf8.ValidString(q.Text):
		return refuse(ErrInvalid, "text of %d bytes of query %s, want at most %d of UTF-8", len(q.Text), q.Name, QueryTextMax)
	}
	return first(checkText("description", q.Description, TextMax), checkText("author", q.By, TextMax), checkTime("time", q.Created, q.Changed))
}

// size bounds the saved form: what JSON makes of a byte of the text is six at most.
func (q SavedQuery) size() int {
	return 192 + 2*len(q.Name) + 6*len(q.Text) + 6*len(q.Description) + 6*len(q.By)
}

func (c PutQuery) check() error {
	if err := c.Tenant.Validate(); err != nil {
		return refuse(ErrInvalid, "%v", err)
	}
	return first(c.Query.check(), checkTime("time", c.Time))
}

func (c PutQuery) apply(s *State) error {
	mine := s.Queries[c.Tenant]
	old, there := mine[c.Query.Name]
	if err := s.Readable(FormatTenants, "saved queries"); err != nil {
		return err
	}
	switch {
	case there && c.New:
		return refuse(ErrConflict, "query %s is there already", c.Query.Name)
	case !there && len(mine) >= QueriesOfTenantMax:
		return refuse(ErrRefused, "the tenant has %d saved queries, the most there can be", len(mine))
	case !there && s.countQueries() >= QueriesMax:
		return refuse(ErrRefused, "%d saved queries, the most there can be", QueriesMax)
	}
	query := c.Query
	query.Created, query.Changed, query.Version = c.Time, c.Time, s.Index
	if there {
		query.Created = old.Created
		s.bytes -= old.size()
	}
	s.bytes += query.size()
	mine = maps.Clone(mine)
	if mine == nil {
		mine = map[string]SavedQuery{}
	}
	mine[query.Name] = query
	s.putQueries(c.Tenant, mine)
	return nil
}

func (c DropQuery) check() error {
	if err := c.Tenant.Validate(); err != nil || !ValidQueryName(c.Name) {
		return refuse(ErrInvalid, "query %q of tenant %q", shown(c.Name), shown(string(c.Tenant)))
	}
	return checkTime("time", c.Time)
}

func (c DropQuery) apply(s *State) error {
	old, there := s.Queries[c.Tenant][c.Name]
	if !there {
		return refuse(ErrConflict, "query %s is not there", c.Name)
	}
	s.bytes -= old.size()
	mine := maps.Clone(s.Queries[c.Tenant])
	delete(mine, c.Name)
	s.putQueries(c.Tenant, mine)
	return nil
}

// putQueries replaces the queries of a tenant. A state without any has no map.
func (s *State) putQueries(tenant model.TenantID, queries map[string]SavedQuery) {
	all := maps.Clone(s.Queries)
	if all == nil {
		all = map[model.TenantID]map[string]SavedQuery{}
	}
	if all[tenant] = queries; len(queries) == 0 {
		delete(all, tenant)
	}
	if s.Queries = all; len(all) == 0 {
		s.Queries = nil
	}
}

func (s *State) countQueries() (n int) {
	for _, mine := range s.Queries {
		n += len(mine)
	}
	return n
}

// checkQueries finds what no sequence of commands makes.
func (s *State) checkQueries() error {
	if n := s.countQueries(); n > QueriesMax {
		return fmt.Errorf("%d saved queries", n)
	}
	for tenant, mine := range s.Queries {
		if err := tenant.Validate(); err != nil || len(mine) == 0 || len(mine) > QueriesOfTenantMax {
			return fmt.Errorf("%d saved queries of tenant %q", len(mine), tenant)
		}
		for name, query := range mine {
			if err := query.check(); err != nil {
				return err
			}
			if query.Name != name || query.Version == 0 || query.Version > s.Index {
				return fmt.Errorf("query %q of version %d at the place of %q in a state of index %d", query.Name, query.Version, name, s.Index)
			}
		}
	}
	return nil
}

// settleQueries counts queries that were read.
func (s *State) settleQueries() {
	if len(s.Queries) == 0 {
		s.Queries = nil
	}
	for _, mine := range s.Queries {
		for _, query := range mine {
			s.bytes += query.size()
		}
	}
}
