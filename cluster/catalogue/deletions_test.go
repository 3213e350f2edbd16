package catalogue

import (
	"errors"
	"strings"
	"testing"

	"github.com/stere-log/stere/model/erasure"
)

// TestHolds: what a hold covers is not removed, whoever comes first, and the refusal
// names it.
func TestHolds(t *testing.T) {
	index := uint64(100)
	s := sample(t)
	for id, n := range s.Nodes { // all of this version
		n.Formats.Max = Format
		s.Nodes[id] = n
	}
	do := func(c Command, want error, says string) {
		t.Helper()
		index++
		next, err := s.Apply(index, c)
		if !errors.Is(err, want) || err != nil && !strings.Contains(err.Error(), says) {
			t.Fatalf("%#v: %v, want %v with %q", c, err, want, says)
		}
		if err == nil {
			s = next
		}
	}
	deletion := func(kind erasure.Kind, query string, from, to int64) AddDeletion {
		return AddDeletion{Deletion: erasure.Deletion{Kind: kind, Tenant: "t", Query: query, Span: erasure.Span{From: from, To: to}, Status: erasure.Planned}, Time: 5}
	}
	hold := func(id, query string, from, to int64) PutHold {
		return PutHold{Hold: erasure.Hold{ID: id, Tenant: "t", Query: query, Span: erasure.Span{From: from, To: to}, Reason: "court"}, Time: 5}
	}
	do(hold("case-7", "", 100, 200), nil, "")
	do(hold("case-7", "", 300, 0), ErrConflict, "case-7")
	do(deletion(erasure.ByQuery, "a:b", 150, 160), ErrRefused, "case-7")
	do(deletion(erasure.ByQuery, "", 0, 0), ErrRefused, "case-7")
	do(deletion(erasure.OfTenant, "", 0, 0), ErrRefused, "case-7")
	do(deletion(erasure.ByRetention, "", 0, 150), nil, "") // leaves what is held
	do(deletion(erasure.ByRetention, "", 120, 150), ErrRefused, "case-7")
	do(deletion(erasure.ByQuery, "a:b", 200, 300), nil, "") // beside it
	do(BeginDeletion{Number: 1, Time: 6}, nil, "")
	if except := s.Deletions[1].Except; len(except) != 1 || except[0].Hold != "case-7" || except[0].From != 100 || except[0].To != 200 {
		t.Errorf("the deletion leaves %+v", except)
	}
	// A hold that comes before a deletion begins stops it; one that comes later is told.
	do(hold("case-8", "", 200, 0), nil, "")
	do(BeginDeletion{Number: 2, Time: 6}, ErrRefused, "case-8")
	do(hold("case-9", "c:d", 0, 120), ErrConflict, "deletion 1")
	do(CancelDeletion{Number: 1, Time: 7}, ErrRefused, "running")
	do(CancelDeletion{Number: 2, Time: 7}, nil, "")
	do(NoteDeletion{Number: 1, Status: erasure.Done, Time: 8}, nil, "")
	do(hold("case-9", "c:d", 0, 120), nil, "")
	do(DropHold{ID: "case-7", Time: 9}, nil, "")
	do(DropHold{ID: "case-7", Time: 9}, ErrConflict, "case-7")
	do(DropHold{ID: "case-8", Time: 9}, nil, "")
	do(deletion(erasure.ByQuery, "a:b", 0, 0), nil, "") // a hold by query is an exception
	do(BeginDeletion{Number: 3, Time: 9}, nil, "")
	if except := s.Deletions[3].Except; len(except) != 1 || except[0].Query != "c:d" {
		t.Errorf("the deletion leaves %+v", except)
	}
	do(ForgetTenant{Tenant: "t", Number: 3, Time: 9}, ErrConflict, "deletion 3")
	do(NoteDeletion{Number: 3, Status: erasure.Done, Time: 9}, nil, "")
	do(DropHold{ID: "case-9", Time: 9}, nil, "")
	do(deletion(erasure.OfTenant, "", 0, 0), nil, "")
	do(BeginDeletion{Number: 4, Time: 9}, nil, "")
	do(ForgetTenant{Tenant: "t", Number: 4, Time: 9}, nil, "")
	if _, there := s.Accounts["t"]; there || len(s.Keys)+len(s.Domains)+len(s.Patterns) > 0 {
		t.Error("the catalogue has something of the tenant yet")
	}
	// It has ended with that: who comes under the name later is not forgotten again.
	if d := s.Deletions[4]; d.Status != erasure.Done || !d.Finished() {
		t.Errorf("the deletion of the tenant is %s", d.Status)
	}
	do(ForgetTenant{Tenant: "t", Number: 4, Time: 9}, ErrConflict, "deletion 4")
}

// TestRetentionGivesWay plans what rules remove of very many tenants: deletions that were
// asked for find a place, and are remembered.
func TestRetentionGivesWay(t *testing.T) {
	s := sample(t)
	for id, n := range s.Nodes {
		n.Formats.Max = Format
		s.Nodes[id] = n
	}
	index := uint64(100)
	do := func(c Command) error {
		index++
		next, err := s.Apply(index, c)
		if err == nil {
			s = next
		}
		return err
	}
	plan := func(kind erasure.Kind) error {
		return do(AddDeletion{Deletion: erasure.Deletion{Kind: kind, Tenant: "t", Status: erasure.Planned}, Time: 5})
	}
	end := func(number uint64) {
		t.Helper()
		if err := errors.Join(do(BeginDeletion{Number: number, Time: 6}), do(NoteDeletion{Number: number, Status: erasure.Done, Time: 7})); err != nil {
			t.Fatal(err)
		}
	}
	if err := plan(erasure.ByQuery); err != nil {
		t.Fatal(err)
	}
	end(1)
	for range RetentionsOpenMax {
		if err := plan(erasure.ByRetention); err != nil {
			t.Fatal(err)
		}
	}
	if err := plan(erasure.ByRetention); !errors.Is(err, ErrRefused) {
		t.Errorf("one more by retention: %v", err)
	}
	if err := plan(erasure.ByQuery); err != nil {
		t.Errorf("one that is asked for: %v", err)
	}
	end(s.NextDeletion)
	for number := uint64(2); number <= s.NextDeletion && number < DeletionsMax+100; number++ {
		if d := s.Deletions[number]; d.Finished() {
			continue
		}
		end(number)
		if err := plan(erasure.ByRetention); err != nil {
			t.Fatal(err)
		}
	}
	if _, there := s.Deletions[1]; !there || len(s.Deletions) != DeletionsMax {
		t.Errorf("of %d deletions that are remembered the first is one: %v", len(s.Deletions), there)
	}
}

// TestDeletionsNeedAllNodes: a node that cannot read the commands of shards keeps
// deletions from being made.
func TestDeletionsNeedAllNodes(t *testing.T) {
	s := sample(t)
	n := s.Nodes[nodeB]
	n.Formats = Formats{Min: 1, Max: 3}
	s.Nodes[nodeB] = n
	for _, c := range []Command{
		AddDeletion{Deletion: erasure.Deletion{Kind: erasure.ByQuery, Tenant: "t", Status: erasure.Planned}},
		PutHold{Hold: erasure.Hold{ID: "h", Tenant: "t", Reason: "r"}},
		SetRetention{Tenant: "t", Retention: erasure.Retention{Rules: []erasure.Rule{{Name: "a", Bytes: 1}}}},
	} {
		if _, err := s.Apply(100, c); !errors.Is(err, ErrRefused) {
			t.Errorf("%T: %v", c, err)
		}
	}
}
