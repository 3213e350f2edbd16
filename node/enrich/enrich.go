// Package enrich keeps what people tell Stere so that it makes more of records, as
// documents of the catalogue: lookup tables, deployments and categories of tenants' own. Store is the main type; it
// is what package api/enrich, the query engine and package insight ask.
//
// A table is one document that says what it is, and the pieces of its saved form, all
// changed by one command. A Store is safe for concurrent use.
package enrich

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/api/enrich"
	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/lookup"
)

// The kinds of documents.
const (
	kindLookup = "lookup"
	kindDeploy = "deploy"
)

// Limits of what is kept.
const (
	pieceBytes  = 60 << 10
	tablesMax   = 64       // of a tenant
	tablesBytes = 4 << 20  // of the tables of a tenant
	allBytes    = 20 << 20 // of the tables of all tenants: what else is kept needs room
	// Once all have half of that, no tenant gets more than this, which is the largest
	// table: a few tenants do not take the room of all.
	scarceBytes   = 512 << 10
	deploysMax    = 1_000 // of a tenant; the oldest ones go
	conflictsMax  = 8     // that are tried again
	decodedMax    = 64    // tables that are held decoded, and tenants whose words are
	piecesOfTable = (lookup.BytesMax + pieceBytes - 1) / pieceBytes
)

// Store keeps lookup tables, deployments and categories.
type Store struct {
	State  func() *catalogue.State
	Change func(ctx context.Context, command catalogue.Command) (*catalogue.State, error)

	mu      sync.Mutex
	decoded map[tableID]decodedTable
	words   map[model.TenantID]knownWords
}

type tableID struct {
	tenant model.TenantID
	name   string
}

type decodedTable struct {
	version uint64
	table   *lookup.Table
}

var _ enrich.Store = (*Store)(nil)

// about is the document that says what a table is.
type about struct {
	enrich.Lookup
	Version int `json:"version"` // of the form
	Pieces  int `json:"pieces"`
}

// aboutVersion is the form of what is kept of a table.
const aboutVersion = 1

// pieceID returns the id of a piece of a table: no name has a colon.
func pieceID(name string, n int) string { return fmt.Sprintf("%s:%d", name, n) }

// about reads what a table is; version 0: there is none.
func readAbout(state *catalogue.State, tenant model.TenantID, name string) (a about, version uint64, err error) {
	if !lookup.ValidName(name) {
		return a, 0, nil
	}
	document := state.Document(kindLookup, tenant, name)
	if document.Version == 0 {
		return a, 0, nil
	}
	if err := json.Unmarshal(document.Body, &a); err != nil || a.Version != aboutVersion || a.Pieces < 1 || a.Pieces > piecesOfTable {
		return a, 0, fmt.Errorf("lookup table %s was stored by another version of Stere, or is damaged", name)
	}
	return a, document.Version, nil
}

// Lookups implements enrich.Store.
func (s *Store) Lookups(tenant model.TenantID) []enrich.Lookup {
	state := s.State()
	found := []enrich.Lookup{}
	for _, id := range state.DocumentIDs(kindLookup, tenant) {
		if a, version, err := readAbout(state, tenant, id); err == nil && version > 0 {
			found = append(found, a.Lookup)
		}
	}
	return found
}

// Names implements query.Lookups.
func (s *Store) Names(tenant model.TenantID) []string {
	var names []string
	for _, one := range s.Lookups(tenant) {
		names = append(names, one.Name)
	}
	return names
}

// Table implements query.Lookups.
func (s *Store) Table(tenant model.TenantID, name string) (*lookup.Table, error) {
	_, table, err := s.read(tenant, name)
	return table, err
}

// read returns a table, nil if there is none.
func (s *Store) read(tenant model.TenantID, name string) (enrich.Lookup, *lookup.Table, error) {
	state := s.State()
	a, version, err := readAbout(state, tenant, name)
	if err != nil || version == 0 {
		return a.Lookup, nil, err
	}
	id := tableID{tenant, name}
	s.mu.Lock()
	known := s.decoded[id]
	s.mu.Unlock()
	if known.version == version {
		return a.Lookup, known.table, nil
	}
	var data []byte
	for n := range a.Pieces {
		data = append(data, state.Document(kindLookup, tenant, pieceID(name, n)).Body...)
	}
	table, err := lookup.Decode(data)
	if err != nil {
		return a.Lookup, nil, fmt.Errorf("lookup table %s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.decoded == nil || len(s.decoded) >= decodedMax {
		s.decoded = map[tableID]decodedTable{}
	}
	s.decoded[id] = decodedTable{version, table}
	return a.Lookup, table, nil
}

// Lookup implements enrich.Store.
func (s *Store) Lookup(tenant model.TenantID, name string) (enrich.Lookup, *lookup.Table, error) {
	a, table, err := s.read(tenant, name)
	if err == nil && table == nil {
		err = unknown("lookup table", name)
	}
	return a, table, err
}

func unknown(what, name string) error {
	return admin.Fault(admin.Unknown, "name", "there is no %s %.100q", what, name)
}

// PutLookup implements enrich.Store.
func (s *Store) PutLookup(ctx context.Context, tenant model.TenantID, l enrich.Lookup, table *lookup.Table) (enrich.Lookup, error) {
	data := table.Encode()
	l.Columns, l.Rows, l.Bytes = table.Columns, len(table.Rows), len(data)
	a := about{Lookup: l, Version: aboutVersion}
	var pieces [][]byte
	for piece := range slices.Chunk(data, pieceBytes) {
		pieces = append(pieces, piece)
	}
	a.Pieces = len(pieces)
	body, err := json.Marshal(a)
	if err != nil {
		return l, fmt.Errorf("encode lookup table %s: %w", l.Name, err)
	}
	return l, s.edit(ctx, func(state *catalogue.State) ([]catalogue.DocumentChange, error) {
		if err := s.room(state, tenant, l); err != nil {
			return nil, err
		}
		before := state.Document(kindLookup, tenant, l.Name)
		changes := []catalogue.DocumentChange{{Kind: kindLookup, Tenant: tenant, ID: l.Name, If: before.Version, Body: body}}
		for n := range piecesOfTable {
			id := pieceID(l.Name, n)
			switch there := state.Document(kindLookup, tenant, id).Version != 0; {
			case n < len(pieces):
				changes = append(changes, catalogue.DocumentChange{Kind: kindLookup, Tenant: tenant, ID: id, Any: true, Body: pieces[n]})
			case there:
				changes = append(changes, catalogue.DocumentChange{Kind: kindLookup, Tenant: tenant, ID: id, Any: true, Drop: true})
			}
		}
		return changes, nil
	})
}

// room reports why a table cannot be stored.
func (s *Store) room(state *catalogue.State, tenant model.TenantID, l enrich.Lookup) error {
	count, bytes, before := 1, l.Bytes, 0
	for _, other := range s.Lookups(tenant) {
		before += other.Bytes
		if other.Name != l.Name {
			count, bytes = count+1, bytes+other.Bytes
		}
	}
	all := l.Bytes
	for _, other := range state.DocumentTenants(kindLookup) {
		_, used := state.DocumentsOf(kindLookup, other)
		all += used
	}
	switch {
	case count > tablesMax || bytes > tablesBytes:
		return admin.Fault(admin.Invalid, "name", "the tenant would have %d lookup tables of %d bytes, at most %d of %d; forget others first", count, bytes, tablesMax, tablesBytes)
	case all > allBytes/2 && bytes > scarceBytes && bytes > before:
		return admin.Fault(admin.Invalid, "name", "the tenant would have %d bytes of lookup tables, at most %d while those of all tenants take more than half of their room; forget others first", bytes, scarceBytes)
	case all > allBytes:
		return admin.Fault(admin.Invalid, "name", "the lookup tables of all tenants would have %d bytes, at most %d", all, allBytes)
	}
	return nil
}

// DropLookup implements enrich.Store.
func (s *Store) DropLookup(ctx context.Context, tenant model.TenantID, name string) (gone enrich.Lookup, err error) {
	err = s.edit(ctx, func(state *catalogue.State) ([]catalogue.DocumentChange, error) {
		document := state.Document(kindLookup, tenant, name)
		if !lookup.ValidName(name) || document.Version == 0 {
			return nil, unknown("lookup table", name)
		}
		if a, _, err := readAbout(state, tenant, name); err == nil {
			gone = a.Lookup
		}
		changes := []catalogue.DocumentChange{{Kind: kindLookup, Tenant: tenant, ID: name, If: document.Version, Drop: true}}
		for _, id := range state.DocumentIDs(kindLookup, tenant) {
			if strings.HasPrefix(id, name+":") {
				changes = append(changes, catalogue.DocumentChange{Kind: kindLookup, Tenant: tenant, ID: id, Any: true, Drop: true})
			}
		}
		return changes, nil
	})
	return gone, err
}

// edit makes changes that are planned on a state, again if that was not the newest.
func (s *Store) edit(ctx context.Context, plan func(state *catalogue.State) ([]catalogue.DocumentChange, error)) error {
	for try := 0; ; try++ {
		changes, err := plan(s.State())
		if err != nil {
			return err
		}
		_, err = s.Change(ctx, catalogue.ChangeDocuments{Changes: changes})
		if err == nil || !errors.Is(err, catalogue.ErrConflict) || try == conflictsMax || ctx.Err() != nil {
			return err
		}
	}
}
