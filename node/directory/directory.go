// Package directory is who may do what as the catalogue has it: Directory gives
// package auth what it asks for every request, and package api/admin what
// administrators see and change. It keeps nothing itself.
//
// Every node reads its own copy of the catalogue: a change counts on a node as soon
// as that has heard of it. Who changes something waits for that with Current.
package directory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stere-log/stere/api"
	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
	"github.com/stere-log/stere/raft"
)

// Directory is what a cluster agrees on of who may do what.
type Directory struct {
	State   func() *catalogue.State
	Propose func(ctx context.Context, command catalogue.Command) (*catalogue.State, error)
	Latest  func(ctx context.Context) error // returns when State has all that was agreed on before the call
}

var _ admin.Registry = Directory{}

// Current implements admin.Registry.
func (d Directory) Current(ctx context.Context) error { return meant(d.Latest(ctx)) }

// Key implements auth.Directory.
func (d Directory) Key(id string) (access.Key, bool) {
	key, ok := d.State().Keys[id]
	return key, ok
}

// Account implements auth.Directory.
func (d Directory) Account(id model.TenantID) (access.Account, bool) {
	account, ok := d.State().Accounts[id]
	return account, ok
}

// Domain implements auth.Directory: a name below a domain is part of it, unless
// there is a domain in between.
func (d Directory) Domain(host string) (access.Domain, bool) {
	domains := d.State().Domains
	for len(domains) > 0 && host != "" && len(host) <= access.HostMax {
		if domain, ok := domains[host]; ok {
			return domain, true
		}
		_, host, _ = strings.Cut(host, ".")
	}
	return access.Domain{}, false
}

// Keys implements admin.Registry.
func (d Directory) Keys() []access.Key { return slices.Collect(maps.Values(d.State().Keys)) }

// Accounts implements admin.Registry.
func (d Directory) Accounts() []access.Account {
	return slices.Collect(maps.Values(d.State().Accounts))
}

// Domains implements admin.Registry.
func (d Directory) Domains() []access.Domain { return slices.Collect(maps.Values(d.State().Domains)) }

// PutKey implements admin.Registry.
func (d Directory) PutKey(ctx context.Context, key access.Key, made uint64) (access.Key, error) {
	state, err := d.propose(ctx, catalogue.PutKey{Key: key, If: made})
	if err != nil {
		return key, err
	}
	return state.Keys[key.ID], nil
}

// PutAccount implements admin.Registry.
func (d Directory) PutAccount(ctx context.Context, account access.Account, made uint64) (access.Account, error) {
	state, err := d.propose(ctx, catalogue.PutAccount{Account: account, If: made})
	if err != nil {
		return account, err
	}
	return state.Accounts[account.ID], nil
}

// PutDomain implements admin.Registry.
func (d Directory) PutDomain(ctx context.Context, domain access.Domain, made uint64) (access.Domain, error) {
	state, err := d.propose(ctx, catalogue.PutDomain{Domain: domain, If: made})
	if err != nil {
		return domain, err
	}
	return state.Domains[domain.Name], nil
}

// DropDomain implements admin.Registry.
func (d Directory) DropDomain(ctx context.Context, name string) error {
	_, err := d.propose(ctx, catalogue.DropDomain{Name: name})
	return err
}

// NoteUses makes it known when keys were used.
func (d Directory) NoteUses(ctx context.Context, uses map[string]int64) error {
	for batch := range slices.Chunk(slices.Sorted(maps.Keys(uses)), catalogue.UsesMax) {
		some := map[string]int64{}
		for _, id := range batch {
			some[id] = uses[id]
		}
		if _, err := d.propose(ctx, catalogue.NoteUses{Used: some}); err != nil {
			return err
		}
	}
	return nil
}

// Change makes a change; errors have the meanings of package api.
func (d Directory) Change(ctx context.Context, command catalogue.Command) (*catalogue.State, error) {
	return d.propose(ctx, command)
}

// propose makes a change; errors have the meanings of package api.
func (d Directory) propose(ctx context.Context, command catalogue.Command) (*catalogue.State, error) {
	state, err := d.Propose(ctx, command)
	if err != nil {
		return nil, meant(err)
	}
	return state, nil
}

// meant gives errors the meanings of package api.
func meant(err error) error {
	for _, row := range []struct{ from, to error }{
		{raft.ErrUncertain, api.ErrUncertain}, {raft.ErrNotLeader, api.ErrLeaderless}, {catalogue.ErrConflict, api.ErrRefused},
		{catalogue.ErrRefused, api.ErrRefused}, {catalogue.ErrInvalid, api.ErrRefused},
	} {
		if errors.Is(err, row.from) {
			return fmt.Errorf("%w: %w", row.to, err)
		}
	}
	return err
}
