package catalogue

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
)

// TestKeys is the life of a key.
func TestKeys(t *testing.T) {
	s := apply(t, newState(), initial())
	s = apply(t, s, PutKey{Key: key(1, "t"), Time: 5})
	one := s.Keys[id(1)]
	if one.Created != 5 || one.Version != s.Index {
		t.Errorf("a new key is %+v", one)
	}
	for what, c := range map[string]Command{
		"the same again": PutKey{Key: key(1, "t"), Time: 6}, "one of a later version": PutKey{Key: one, If: one.Version + 1, Time: 6},
		"one that is not there": PutKey{Key: key(2, "t"), If: one.Version, Time: 6},
	} {
		if _, err := s.Apply(s.Index+1, c); !errors.Is(err, ErrConflict) {
			t.Errorf("%s: %v", what, err)
		}
	}
	twin := key(2, "t")
	twin.Secrets = one.Secrets
	if _, err := s.Apply(s.Index+1, PutKey{Key: twin, Time: 6}); !errors.Is(err, ErrConflict) {
		t.Errorf("two keys with one secret: %v", err)
	}
	moved := one
	moved.Tenant = "u"
	if _, err := s.Apply(s.Index+1, PutKey{Key: moved, If: one.Version, Time: 6}); !errors.Is(err, ErrRefused) {
		t.Errorf("a key of another tenant: %v", err)
	}
	s = apply(t, s, NoteUses{Used: map[string]int64{id(1): 9, id(8): 9}})
	if s.Keys[id(1)].Used != 9 || s.Keys[id(1)].Version != one.Version || len(s.Keys) != 1 {
		t.Errorf("after a use: %+v", s.Keys)
	}
	one.Revoked = 10
	s = apply(t, s, PutKey{Key: one, If: one.Version, Time: 10})
	if got := s.Keys[id(1)]; got.Used != 9 || got.Alive(11) {
		t.Errorf("a revoked key is %+v", got)
	}
	one.Revoked = 0
	if _, err := s.Apply(s.Index+1, PutKey{Key: one, If: s.Keys[id(1)].Version, Time: 11}); !errors.Is(err, ErrRefused) {
		t.Errorf("a revoked key comes back: %v", err)
	}
}

// TestKeysFull forgets dead keys, and no others.
func TestKeysFull(t *testing.T) {
	s := apply(t, newState(), initial())
	s.Keys = map[string]access.Key{}
	for i := range KeysMax {
		k := key(i+100, model.TenantID(fmt.Sprint("t", i%(KeysMax/KeysOfTenantMax))))
		k.Created, k.Version = int64(i), s.Index
		if i == 7 || i == 9 {
			k.Revoked = 1
		}
		s.Keys[k.ID] = k
		s.bytes += k.Size()
	}
	s = apply(t, s, PutKey{Key: key(1<<40, "t"), Time: 5})
	s = apply(t, s, PutKey{Key: key(1<<40+1<<17, "t"), Time: 5})
	if _, there := s.Keys[id(107)]; there || len(s.Keys) != KeysMax {
		t.Errorf("%d keys are left", len(s.Keys))
	}
	if _, err := s.Apply(s.Index+1, PutKey{Key: key(1<<40+1<<18, "t"), Time: 5}); !errors.Is(err, ErrRefused) {
		t.Errorf("one too many: %v", err)
	}
	if err := s.check(); err != nil {
		t.Error(err)
	}
}

// TestKeysOfTenantFull keeps a tenant with many keys from those of others, and what
// tenants keep from what the cluster needs.
func TestKeysOfTenantFull(t *testing.T) {
	s := apply(t, newState(), initial())
	s.Keys = map[string]access.Key{}
	for i := range KeysOfTenantMax + 1 {
		k := key(i+100, "t")
		if i == 0 {
			k.Tenant, k.Revoked = "u", 1
		}
		k.Created, k.Version = int64(i), s.Index
		s.Keys[k.ID] = k
		s.bytes += k.Size()
	}
	if _, err := s.Apply(s.Index+1, PutKey{Key: key(1<<40, "t"), Time: 5}); !errors.Is(err, ErrRefused) {
		t.Errorf("one too many of the tenant: %v", err)
	}
	if s = apply(t, s, PutKey{Key: key(1<<40, "u"), Time: 5}); len(s.Keys) != KeysOfTenantMax+2 {
		t.Errorf("%d keys after one of another tenant", len(s.Keys))
	}
	dead := s.Keys[id(105)]
	dead.Revoked = 4
	s = apply(t, s, PutKey{Key: dead, If: dead.Version, Time: 5})
	s = apply(t, s, PutKey{Key: key(1<<40+1<<17, "t"), Time: 5})
	if _, there := s.Keys[id(105)]; there || s.Keys[id(100)].Revoked != 1 {
		t.Error("not the dead key of the tenant is forgotten")
	}
	s.bytes = ofTenantsMax
	for _, c := range []Command{
		PutKey{Key: key(1<<40+1<<18, "v")}, PutQuery{Tenant: "t", Query: SavedQuery{Name: "a"}}, SetPatterns{Tenant: "t", Patterns: []byte{1}},
	} {
		if _, err := s.Apply(s.Index+1, c); !errors.Is(err, ErrRefused) {
			t.Errorf("%T where there is room for the cluster alone: %v", c, err)
		}
	}
	s = apply(t, s, SetTenant{ID: "t", Tenant: Tenant{Replicas: 1}})
	apply(t, s, PutAccount{Account: access.Account{ID: "t", Plan: access.Basic, Status: access.Suspended}})
}

// TestAccessNeedsAllNodes refuses what a node of an older version cannot read, and
// writes what it reads as long as it may.
func TestAccessNeedsAllNodes(t *testing.T) {
	old := node(nodeB)
	old.Formats.Max = FormatTenants - 1
	s := apply(t, newState(), initial())
	data, err := encodeSaved(s, samplePosition)
	if err != nil || data[0] != savedBefore {
		t.Errorf("without keys the version is %d, %v", data[0], err)
	}
	mixed := apply(t, s, PutNode{Node: old})
	for _, c := range []Command{
		PutKey{Key: key(1, "t")}, NoteUses{}, PutAccount{Account: access.Account{ID: "t", Plan: access.Basic, Status: access.Active}},
		PutDomain{Domain: access.Domain{Name: "a", Tenant: "t", Status: access.Active}},
	} {
		if _, err := mixed.Apply(mixed.Index+1, c); !errors.Is(err, ErrRefused) {
			t.Errorf("%T beside an old node: %v", c, err)
		}
		s = apply(t, s, c)
	}
	if data, err = encodeSaved(s, samplePosition); err != nil || data[0] != savedExtended {
		t.Errorf("with keys the version is %d, %v", data[0], err)
	}
	s = apply(t, s, ChangeDocuments{Changes: []DocumentChange{{Kind: "k", Tenant: "t", ID: "a", Body: []byte{1}}}})
	if data, err = encodeSaved(s, samplePosition); err != nil || data[0] != savedVersion {
		t.Errorf("with documents the version is %d, %v", data[0], err)
	}
}

// TestAccounts suspends and deletes.
func TestAccounts(t *testing.T) {
	s := apply(t, newState(), initial())
	a := access.Account{ID: "t", Plan: access.Standard, Status: access.Active}
	put := func(status access.Status, at int64) {
		t.Helper()
		a.Status = status
		s = apply(t, s, PutAccount{Account: a, If: s.Accounts["t"].Version, Time: at})
	}
	put(access.Active, 3)
	put(access.Suspended, 4)
	put(access.Suspended, 5)
	if got := s.Accounts["t"]; got.Created != 3 || got.Since != 4 {
		t.Errorf("suspended: %+v", got)
	}
	put(access.Deleting, 6)
	a.Status = access.Active
	if _, err := s.Apply(s.Index+1, PutAccount{Account: a, If: s.Accounts["t"].Version}); !errors.Is(err, ErrRefused) {
		t.Errorf("a tenant that is being deleted comes back: %v", err)
	}
	if _, err := s.Apply(s.Index+1, DropDomain{Name: "a.example"}); !errors.Is(err, ErrConflict) {
		t.Errorf("a domain that is not there: %v", err)
	}
	for i := range 3 {
		s = apply(t, s, PutDomain{Domain: access.Domain{Name: fmt.Sprint("d", i), Tenant: model.TenantID(fmt.Sprint("t", i)), Status: access.Active}})
	}
	s = apply(t, s, DropDomain{Name: "d1"})
	if len(s.Domains) != 2 {
		t.Errorf("domains: %+v", s.Domains)
	}
}
