package catalogue

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/erasure"
)

// randomDocuments changes some documents of few, so that versions meet.
func randomDocuments(r *rand.Rand, s *State, now int64) Command {
	var c ChangeDocuments
	c.Time = now
	for range 1 + r.IntN(3) {
		change := DocumentChange{Kind: pick(r, "rule", "state", "rule", "state", ""), Tenant: pick[model.TenantID](r, "x", "y", "x", "not one"), ID: pick(r, "a", "b", "C:1", "a", "b", "no id")}
		change.If = s.Document(change.Kind, change.Tenant, change.ID).Version
		if change.Drop = r.IntN(3) == 0; !change.Drop {
			change.Body = bytes.Repeat([]byte{byte(now)}, 1+r.IntN(50)) // none is read back as nil
		}
		switch r.IntN(8) {
		case 0:
			change.If = s.Index / 2
		case 1:
			change.If, change.Any = 0, true
		}
		c.Changes = append(c.Changes, change)
	}
	return c
}

// withFormat returns a state all of whose nodes read this version, and a function that
// gives it commands.
func withFormat(t *testing.T, s *State) func(Command, error, string) *State {
	t.Helper()
	for id, n := range s.Nodes {
		n.Formats.Max = Format
		s.Nodes[id] = n
	}
	index := s.Index + 100
	return func(c Command, want error, says string) *State {
		t.Helper()
		index++
		next, err := s.Apply(index, c)
		if !errors.Is(err, want) || err != nil && !strings.Contains(err.Error(), says) {
			t.Fatalf("%T: %v, want %v with %q", c, err, want, says)
		}
		if err == nil {
			follows(t, s, next, c)
			s = next
		}
		return s
	}
}

// TestDocuments: changes are made all together or not at all, and only on what they were
// planned on.
func TestDocuments(t *testing.T) {
	s := sample(t)
	do := withFormat(t, s)
	put := func(id string, planned uint64, body string) DocumentChange {
		return DocumentChange{Kind: "alert", Tenant: "t", ID: id, If: planned, Body: []byte(body)}
	}
	change := func(changes ...DocumentChange) ChangeDocuments { return ChangeDocuments{Changes: changes} }
	before := s
	s = do(change(put("a", 0, "1"), put("b", 0, "1")), nil, "")
	version := s.Document("alert", "t", "a").Version
	if version != s.Index || !slices.Equal(s.DocumentIDs("alert", "t"), []string{"a", "b"}) || !slices.Equal(s.ChangedTenants("alert", before), []model.TenantID{"t"}) {
		t.Errorf("version %d, ids %v, changed %v", version, s.DocumentIDs("alert", "t"), s.ChangedTenants("alert", before))
	}
	do(change(put("a", 0, "2")), ErrConflict, "document a of kind alert has version")
	do(change(put("c", 0, "2"), put("a", version-1, "2")), ErrConflict, "document a")
	do(change(put("c", version, "2")), ErrConflict, "document c")
	if s.Document("alert", "t", "c").Version != 0 {
		t.Error("half of a command was done")
	}
	s = do(change(put("a", version, "2"), DocumentChange{Kind: "alert", Tenant: "t", ID: "b", If: version, Drop: true}), nil, "")
	if got := s.Document("alert", "t", "a"); string(got.Body) != "2" || len(s.DocumentIDs("alert", "t")) != 1 {
		t.Errorf("%+v", s.Documents)
	}
	do(change(DocumentChange{Kind: "alert", Tenant: "t", ID: "gone", Drop: true}), nil, "") // as it is to be
	before = s
	s = do(change(DocumentChange{Kind: "alert", Tenant: "t", ID: "a", Any: true, Drop: true}), nil, "")
	if len(s.DocumentTenants("alert")) != 0 || !slices.Equal(s.ChangedTenants("alert", before), []model.TenantID{"t"}) || len(s.ChangedTenants("alert", s)) != 0 {
		t.Errorf("%v, changed %v", s.Documents, s.ChangedTenants("alert", before))
	}
	for says, bad := range map[string]Command{
		"0 documents":       change(),
		"twice":             change(put("a", 0, "1"), put("a", 0, "2")),
		"id \"\"":           change(put("", 0, "1")),
		"0 bytes":           change(put("a", 0, "")),
		"65537 bytes":       change(put("a", 0, strings.Repeat("x", DocumentMax+1))),
		"any version":       change(DocumentChange{Kind: "k", Tenant: "t", ID: "a", If: 3, Any: true, Body: []byte("1")}),
		"dropped and has":   change(DocumentChange{Kind: "k", Tenant: "t", ID: "a", Drop: true, Body: []byte("1")}),
		"kind \"A\"":        change(DocumentChange{Kind: "A", Tenant: "t", ID: "a", Body: []byte("1")}),
		"257 documents are": change(make([]DocumentChange, ChangesMax+1)...),
	} {
		do(bad, ErrInvalid, says)
	}
}

// TestDocumentsAreReplaced: a command that drops the last document of a kind, or of all,
// and makes another one, as who replaces what is over does.
func TestDocumentsAreReplaced(t *testing.T) {
	s := sample(t)
	do := withFormat(t, s)
	put := func(kind string, tenant model.TenantID, id string) DocumentChange {
		return DocumentChange{Kind: kind, Tenant: tenant, ID: id, Any: true, Body: []byte("1")}
	}
	drop := func(kind string, tenant model.TenantID, id string) DocumentChange {
		return DocumentChange{Kind: kind, Tenant: tenant, ID: id, Any: true, Drop: true}
	}
	var all []DocumentChange
	for kind, tenants := range s.Documents {
		for tenant, set := range tenants {
			for id := range set.All {
				all = append(all, drop(kind, tenant, id))
			}
		}
	}
	s = do(ChangeDocuments{Changes: append(all, put("silence", "t", "a"))}, nil, "")
	for _, next := range []DocumentChange{put("silence", "t", "b"), put("silence", "u", "b"), put("other", "t", "b")} {
		after := do(ChangeDocuments{Changes: []DocumentChange{drop("silence", "t", "a"), next}}, nil, "")
		if count, _ := after.countDocuments(); count != 1 || after.Document(next.Kind, next.Tenant, "b").Version != after.Index {
			t.Errorf("%+v", after.Documents)
		}
		s = do(ChangeDocuments{Changes: []DocumentChange{drop(next.Kind, next.Tenant, "b"), put("silence", "t", "a")}}, nil, "")
	}
	if s.Document("silence", "t", "a").Version != s.Index {
		t.Errorf("%+v", s.Documents)
	}
}

// TestDocumentsAreBounded fills a kind of a tenant, and all.
func TestDocumentsAreBounded(t *testing.T) {
	s := sample(t)
	do := withFormat(t, s)
	body := bytes.Repeat([]byte("x"), DocumentMax)
	fill := func(tenant model.TenantID) (refused error) {
		for n := 0; ; n++ {
			c := ChangeDocuments{}
			for i := range ChangesBytes / DocumentMax {
				c.Changes = append(c.Changes, DocumentChange{Kind: "big", Tenant: tenant, ID: fmt.Sprint(n, ":", i), Body: body})
			}
			next, err := s.Apply(s.Index+1, c)
			if err != nil {
				return err
			}
			s = next
		}
	}
	if err := fill("t0"); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "the tenant would have") {
		t.Error(err)
	}
	var err error
	for n := 1; n < 20 && (err == nil || strings.Contains(err.Error(), "the tenant would have")); n++ {
		err = fill(model.TenantID(fmt.Sprint("t", n)))
	}
	if count, size := s.countDocuments(); !errors.Is(err, ErrRefused) || size > DocumentBytesMax || size < DocumentBytesMax*3/4 {
		t.Errorf("%d documents of %d bytes: %v", count, size, err)
	}
	if used := s.DocumentsUsed(); used < 0.75 || used > 1 || (&State{}).DocumentsUsed() != 0 {
		t.Errorf("used %v", used)
	}
	// What is full can be made smaller.
	if next, err := s.Apply(s.Index+1, ChangeDocuments{Changes: []DocumentChange{{Kind: "big", Tenant: "t0", ID: "0:0", Any: true, Drop: true}}}); err != nil || next.bytes >= s.bytes {
		t.Error(err)
	}
	do(ChangeDocuments{Changes: []DocumentChange{{Kind: "big", Tenant: "t0", ID: "a", Body: body[:1]}}}, nil, "")
}

// TestRoomOfATenant: of all kinds together a tenant is not to have more than its room;
// what makes it less is let through, and what is proposed all the same is applied.
func TestRoomOfATenant(t *testing.T) {
	s := sample(t)
	do := withFormat(t, s)
	body := bytes.Repeat([]byte("x"), DocumentMax)
	var refused error
	for n := 0; refused == nil && n < 1000; n++ {
		var c ChangeDocuments
		for i := range 8 {
			c.Changes = append(c.Changes, DocumentChange{Kind: fmt.Sprint("kind", n%4), Tenant: "t", ID: fmt.Sprint(n, ":", i), Body: body})
		}
		refused = s.RoomFor("t", c.Changes)
		s = do(c, nil, "")
	}
	_, all := s.countDocuments()
	if !errors.Is(refused, ErrRefused) || !strings.Contains(refused.Error(), "of all kinds") || all <= TenantDocumentBytesMax || all > TenantDocumentBytesMax+1<<20 {
		t.Errorf("%d bytes: %v", all, refused)
	}
	same := DocumentChange{Kind: "kind0", Tenant: "t", ID: "0:0", Body: body}
	less := same
	less.Body = body[1:100]
	for name, changes := range map[string][]DocumentChange{"less": {less}, "as much": {same}, "none": {{Kind: "kind0", Tenant: "t", ID: "0:0", Drop: true}}, "nothing": nil} {
		if err := s.RoomFor("t", changes); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.RoomFor("u", []DocumentChange{same}) != nil || s.RoomFor("t", []DocumentChange{{Kind: "small", Tenant: "t", ID: "a", Body: body[:1]}}) == nil {
		t.Error("the room of one tenant is that of another")
	}
}

// TestDocumentsGoWithTheirTenant, and need nodes that read them.
func TestDocumentsGoWithTheirTenant(t *testing.T) {
	s := sample(t)
	n := s.Nodes[nodeB]
	n.Formats = Formats{Min: 1, Max: FormatDocuments - 1}
	s.Nodes[nodeB] = n
	if _, err := s.Apply(100, ChangeDocuments{Changes: []DocumentChange{{Kind: "rule", Tenant: "t", ID: "z", Body: []byte("1")}}}); !errors.Is(err, ErrRefused) {
		t.Errorf("a node reads format %d: %v", n.Formats.Max, err)
	}
	do := withFormat(t, s)
	do(ChangeDocuments{Changes: []DocumentChange{{Kind: "rule", Tenant: "u", ID: "z", Body: []byte("1")}}}, nil, "")
	do(AddDeletion{Deletion: erasure.Deletion{Kind: erasure.OfTenant, Tenant: "t", Status: erasure.Planned}}, nil, "")
	do(BeginDeletion{Number: 1}, nil, "")
	s = do(ForgetTenant{Tenant: "t", Number: 1}, nil, "")
	if got := s.DocumentTenants("rule"); !slices.Equal(got, []model.TenantID{"u"}) {
		t.Errorf("documents of %v", got)
	}
}
