package catalogue

import (
	"fmt"
	"maps"
	"slices"

	"github.com/stere-log/stere/model"
)

// Limits of documents.
const (
	// DocumentMax is the largest body of a document in bytes, ChangesMax how many
	// documents one command changes, and ChangesBytes how many bytes of bodies it may
	// have.
	DocumentMax  = 64 << 10
	ChangesMax   = 256
	ChangesBytes = 640 << 10
	// DocumentsOfTenantMax is how many documents of a kind a tenant has at most, and
	// DocumentBytesOfTenantMax how many bytes they have.
	DocumentsOfTenantMax     = 4096
	DocumentBytesOfTenantMax = 8 << 20
	// TenantDocumentsMax is how many documents of all kinds a tenant has at most after a
	// change that somebody asks for (RoomFor), and TenantDocumentBytesMax how many bytes
	// they have: one tenant does not take the room of all.
	TenantDocumentsMax     = 12288
	TenantDocumentBytesMax = 24 << 20
	// DocumentsMax is how many there are in all, and DocumentBytesMax how many bytes.
	DocumentsMax     = 65536
	DocumentBytesMax = 64 << 20
	// DocumentKindsMax is how many kinds there are.
	DocumentKindsMax = 64
	// DocumentIDMax is the longest id in bytes.
	DocumentIDMax = 128
)

// Document is something small that the cluster agrees on and the catalogue does not look
// into: rules, their state, incidents, what is to be delivered.
type Document struct {
	Body    []byte `json:"body"`
	Version uint64 `json:"version"` // index of the last change; set by Apply
}

// Documents are those of one kind and tenant. It never changes, as State.
type Documents struct {
	All     map[string]Document `json:"all"`     // by id
	Version uint64              `json:"version"` // index of the last change of any; set by Apply

	bytes int // upper bound of the saved form
}

// DocumentChange puts or drops a document. Two nodes that plan on the same version do not
// both succeed.
type DocumentChange struct {
	Kind   string         `json:"kind"`
	Tenant model.TenantID `json:"tenant"`
	ID     string         `json:"id"`
	// If is the version of the document that the change was planned on, 0: there must
	// be none. With Any it does not matter.
	If   uint64 `json:"if,omitempty"`
	Any  bool   `json:"any,omitempty"`
	Drop bool   `json:"drop,omitempty"`
	Body []byte `json:"body,omitempty"`
}

// ChangeDocuments makes all the changes or none: one whose document has another version
// is a conflict. No document is changed twice.
type ChangeDocuments struct {
	Changes []DocumentChange `json:"changes"`
	Time    int64            `json:"time"`
}

// kindChangeDocuments is apart from the kinds of command.go.
const kindChangeDocuments byte = 60

func (ChangeDocuments) kind() byte                  { return kindChangeDocuments }
func (c ChangeDocuments) stamped(now int64) Command { stamp(&c.Time, now); return c }

// ValidDocumentID reports whether a text can be the id of a document: 1 to DocumentIDMax
// letters, digits, '.', '-', '_' and ':'.
func ValidDocumentID(id string) bool {
	return id != "" && len(id) <= DocumentIDMax && consistsOf(id, nameBytes+"_:ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

// size bounds the saved form: base64 takes four bytes for three.
func (d Document) size(id string) int { return 64 + len(id) + (len(d.Body)+2)/3*4 }

func (d Document) check(id string) error {
	if !ValidDocumentID(id) {
		return refuse(ErrInvalid, "id %q of a document, want 1 to %d letters, digits, '.', '-', '_' and ':'", shown(id), DocumentIDMax)
	}
	if len(d.Body) == 0 || len(d.Body) > DocumentMax {
		return refuse(ErrInvalid, "document %s has %d bytes, want 1 to %d", id, len(d.Body), DocumentMax)
	}
	return nil
}

// checkDocuments checks where documents are.
func checkDocuments(kind string, tenant model.TenantID) error {
	if kind == "" {
		return refuse(ErrInvalid, "no kind of a document")
	}
	if err := tenant.Validate(); err != nil {
		return refuse(ErrInvalid, "%v", err)
	}
	return checkLabel("kind", kind)
}

func (c ChangeDocuments) check() error {
	if len(c.Changes) == 0 || len(c.Changes) > ChangesMax {
		return refuse(ErrInvalid, "%d documents are changed, want 1 to %d", len(c.Changes), ChangesMax)
	}
	type place struct {
		kind, id string
		tenant   model.TenantID
	}
	seen, total := make(map[place]bool, len(c.Changes)), 0
	for _, change := range c.Changes {
		at := place{change.Kind, change.ID, change.Tenant}
		d := Document{Body: change.Body}
		if change.Drop {
			d.Body = []byte{0}
		}
		switch err := first(checkDocuments(change.Kind, change.Tenant), d.check(change.ID)); {
		case err != nil:
			return err
		case change.Drop && len(change.Body) > 0:
			return refuse(ErrInvalid, "document %s is dropped and has a body", change.ID)
		case change.Any && change.If != 0:
			return refuse(ErrInvalid, "document %s is to have any version and version %d", change.ID, change.If)
		case seen[at]:
			return refuse(ErrInvalid, "document %s of kind %s is changed twice", change.ID, change.Kind)
		}
		seen[at] = true
		total += len(change.Body)
	}
	if total > ChangesBytes {
		return refuse(ErrInvalid, "documents of %d bytes are changed, at most %d can be at once", total, ChangesBytes)
	}
	return checkTime("time", c.Time)
}

func (c ChangeDocuments) apply(s *State) error {
	if err := s.Readable(FormatDocuments, "documents"); err != nil {
		return err
	}
	e := documentEditor{s: s, kinds: map[string]bool{}, sets: map[string]map[model.TenantID]bool{}}
	for _, change := range c.Changes {
		if err := e.change(change); err != nil {
			return err
		}
	}
	count, bytes := s.countDocuments()
	if count > DocumentsMax || bytes > DocumentBytesMax {
		return refuse(ErrRefused, "%d documents of %d bytes, the most there can be are %d of %d", count, bytes, DocumentsMax, DocumentBytesMax)
	}
	return nil
}

// documentEditor changes the documents of a state, of which it makes its own copy where
// it changes something.
type documentEditor struct {
	s     *State
	kinds map[string]bool                    // whose tenants are the state's own
	sets  map[string]map[model.TenantID]bool // whose documents are
}

// own makes the documents of a kind and tenant the state's own.
func (e *documentEditor) own(kind string, tenant model.TenantID) Documents {
	if len(e.kinds) == 0 {
		e.s.Documents = maps.Clone(e.s.Documents)
	}
	// What the command itself has emptied is not there any more, though it was own.
	if e.s.Documents == nil {
		e.s.Documents = map[string]map[model.TenantID]Documents{}
	}
	mine, there := e.s.Documents[kind]
	if !e.kinds[kind] {
		e.kinds[kind], e.sets[kind] = true, map[model.TenantID]bool{}
		mine = maps.Clone(mine)
	}
	if !there {
		mine = map[model.TenantID]Documents{}
	}
	e.s.Documents[kind] = mine
	set := e.s.Documents[kind][tenant]
	if !e.sets[kind][tenant] || set.All == nil {
		e.sets[kind][tenant] = true
		if set.All = maps.Clone(set.All); set.All == nil {
			set.All = map[string]Document{}
		}
	}
	return set
}

func (e *documentEditor) change(c DocumentChange) error {
	old, there := e.s.Documents[c.Kind][c.Tenant].All[c.ID]
	if !c.Any && old.Version != c.If {
		return refuse(ErrConflict, "document %s of kind %s has version %d, the change was planned on %d", c.ID, c.Kind, old.Version, c.If)
	}
	if c.Drop && !there {
		return nil
	}
	set := e.own(c.Kind, c.Tenant)
	if there {
		set.bytes -= old.size(c.ID)
		e.s.bytes -= old.size(c.ID)
		delete(set.All, c.ID)
	}
	if !c.Drop {
		fresh := Document{Body: c.Body, Version: e.s.Index}
		set.bytes += fresh.size(c.ID)
		e.s.bytes += fresh.size(c.ID)
		set.All[c.ID] = fresh
		if grows := !there || len(c.Body) > len(old.Body); grows && (len(set.All) > DocumentsOfTenantMax || set.bytes > DocumentBytesOfTenantMax) {
			return refuse(ErrRefused, "the tenant would have %d documents of kind %s with %d bytes, the most there can be are %d with %d", len(set.All), c.Kind, set.bytes, DocumentsOfTenantMax, DocumentBytesOfTenantMax)
		}
	}
	set.Version = e.s.Index
	e.s.Documents[c.Kind][c.Tenant] = set
	if len(e.s.Documents) > DocumentKindsMax {
		return refuse(ErrRefused, "%d kinds of documents, the most there can be", DocumentKindsMax)
	}
	e.s.settleDocumentsOf(c.Kind, c.Tenant)
	return nil
}

// settleDocumentsOf drops maps that have become empty, as a state that is read has none.
func (s *State) settleDocumentsOf(kind string, tenant model.TenantID) {
	if len(s.Documents[kind][tenant].All) == 0 {
		delete(s.Documents[kind], tenant)
	}
	if len(s.Documents[kind]) == 0 {
		delete(s.Documents, kind)
	}
	if len(s.Documents) == 0 {
		s.Documents = nil
	}
}

// forgetDocuments drops all documents of a tenant.
func (s *State) forgetDocuments(tenant model.TenantID) {
	s.Documents = maps.Clone(s.Documents)
	for _, kind := range slices.Collect(maps.Keys(s.Documents)) {
		set, there := s.Documents[kind][tenant]
		if !there {
			continue
		}
		s.bytes -= set.bytes
		s.Documents[kind] = maps.Clone(s.Documents[kind])
		delete(s.Documents[kind], tenant)
		s.settleDocumentsOf(kind, tenant)
	}
}

func (s *State) countDocuments() (count, bytes int) {
	for _, tenants := range s.Documents {
		for _, set := range tenants {
			count += len(set.All)
			bytes += set.bytes
		}
	}
	return count, bytes
}

// DocumentsOf returns how many documents of a kind a tenant has, and about how many bytes
// they take.
func (s *State) DocumentsOf(kind string, tenant model.TenantID) (count, bytes int) {
	set := s.Documents[kind][tenant]
	return len(set.All), set.bytes
}

// RoomFor reports why a tenant is not to have what changes add, ErrRefused. It is for those
// who propose what somebody asks for; what follows from that by itself, such as alerts, is
// bounded by kind. Whoever applies commands does not look at it: what was proposed by a
// node that knew no such bound is applied everywhere.
func (s *State) RoomFor(tenant model.TenantID, changes []DocumentChange) error {
	count, bytes, grows := 0, 0, 0
	for _, tenants := range s.Documents {
		count += len(tenants[tenant].All)
		bytes += tenants[tenant].bytes
	}
	for _, c := range changes {
		old, there := s.Documents[c.Kind][tenant].All[c.ID]
		if there {
			count, grows = count-1, grows-old.size(c.ID)
		}
		if !c.Drop {
			count, grows = count+1, grows+Document{Body: c.Body}.size(c.ID)
		}
	}
	if bytes += grows; grows > 0 && (count > TenantDocumentsMax || bytes > TenantDocumentBytesMax) {
		return refuse(ErrRefused, "the tenant would have %d documents of all kinds with %d bytes, the most there can be are %d with %d: remove incidents, rules, webhooks, labels or models that nobody needs", count, bytes, TenantDocumentsMax, TenantDocumentBytesMax)
	}
	return nil
}

// DocumentsUsed returns how much of the place for documents is taken, from 0 to 1: when
// it is 1, no rule, alert or delivery is written down any more.
func (s *State) DocumentsUsed() float64 {
	count, bytes := s.countDocuments()
	return max(float64(count)/DocumentsMax, float64(bytes)/DocumentBytesMax, float64(s.bytes)/ofTenantsMax)
}

// Document returns a document, version 0 if there is none. Its body must not be changed.
func (s *State) Document(kind string, tenant model.TenantID, id string) Document {
	return s.Documents[kind][tenant].All[id]
}

// DocumentIDs returns the ids of the documents of a kind and tenant, ascending.
func (s *State) DocumentIDs(kind string, tenant model.TenantID) []string {
	return slices.Sorted(maps.Keys(s.Documents[kind][tenant].All))
}

// DocumentTenants returns the tenants that have documents of a kind, ascending.
func (s *State) DocumentTenants(kind string) []model.TenantID {
	return slices.Sorted(maps.Keys(s.Documents[kind]))
}

// ChangedTenants returns the tenants whose documents of a kind are not the same in an
// earlier state, ascending; nil is a state without any. With Catalogue.Watch it is how to
// follow documents.
func (s *State) ChangedTenants(kind string, before *State) []model.TenantID {
	var old map[model.TenantID]Documents
	if before != nil {
		old = before.Documents[kind]
	}
	var changed []model.TenantID
	for tenant, set := range s.Documents[kind] {
		if set.Version != old[tenant].Version {
			changed = append(changed, tenant)
		}
	}
	for tenant := range old {
		if _, there := s.Documents[kind][tenant]; !there {
			changed = append(changed, tenant)
		}
	}
	slices.Sort(changed)
	return changed
}

// checkAllDocuments finds what no sequence of commands makes.
func (s *State) checkAllDocuments() error {
	if count, bytes := s.countDocuments(); count > DocumentsMax || bytes > DocumentBytesMax || len(s.Documents) > DocumentKindsMax {
		return fmt.Errorf("%d documents of %d kinds with %d bytes", count, len(s.Documents), bytes)
	}
	for kind, tenants := range s.Documents {
		if len(tenants) == 0 {
			return fmt.Errorf("no documents of kind %q", kind)
		}
		for tenant, set := range tenants {
			if err := checkDocuments(kind, tenant); err != nil {
				return err
			}
			if len(set.All) == 0 || len(set.All) > DocumentsOfTenantMax || set.bytes > DocumentBytesOfTenantMax || set.Version > s.Index {
				return fmt.Errorf("%d documents of version %d of kind %s of tenant %s with %d bytes", len(set.All), set.Version, kind, tenant, set.bytes)
			}
			for id, d := range set.All {
				if err := d.check(id); err != nil {
					return err
				}
				if d.Version == 0 || d.Version > set.Version {
					return fmt.Errorf("document %s of version %d among those of version %d", id, d.Version, set.Version)
				}
			}
		}
	}
	return nil
}

// settleDocuments counts documents that were read.
func (s *State) settleDocuments() {
	if len(s.Documents) == 0 {
		s.Documents = nil
	}
	for _, tenants := range s.Documents {
		for tenant, set := range tenants {
			set.bytes = 0
			for id, d := range set.All {
				set.bytes += d.size(id)
			}
			tenants[tenant] = set
			s.bytes += set.bytes
		}
	}
}
