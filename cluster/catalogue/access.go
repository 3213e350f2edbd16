package catalogue

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
)

// PutKey makes a key, or changes one whose tenant and time of making stay. One
// that is revoked never changes again. Of dead keys the oldest are forgotten when
// there are too many, of the tenant or of all.
type PutKey struct {
	Key  access.Key `json:"key"`
	If   uint64     `json:"if,omitempty"` // Version of the key that it was made of; 0: a new one
	Time int64      `json:"time"`
}

// NoteUses says when keys were used last; keys that are not there any more are
// left out.
type NoteUses struct {
	Used map[string]int64 `json:"used"` // by id, Unix ns
	Time int64            `json:"time"`
}

// PutAccount makes the account of a tenant, or changes it. One that is deleting
// stays so.
type PutAccount struct {
	Account access.Account `json:"account"`
	If      uint64         `json:"if,omitempty"` // Version of the account that it was made of; 0: a new one
	Time    int64          `json:"time"`
}

// PutDomain makes a domain, or changes it.
type PutDomain struct {
	Domain access.Domain `json:"domain"`
	If     uint64        `json:"if,omitempty"` // Version of the domain that it was made of; 0: a new one
	Time   int64         `json:"time"`
}

// DropDomain makes a host name stand for nobody.
type DropDomain struct {
	Name string `json:"name"`
	Time int64  `json:"time"`
}

func (PutKey) kind() byte     { return kindPutKey }
func (NoteUses) kind() byte   { return kindNoteUses }
func (PutAccount) kind() byte { return kindPutAccount }
func (PutDomain) kind() byte  { return kindPutDomain }
func (DropDomain) kind() byte { return kindDropDomain }

func (c PutKey) stamped(now int64) Command     { stamp(&c.Time, now); return c }
func (c NoteUses) stamped(now int64) Command   { stamp(&c.Time, now); return c }
func (c PutAccount) stamped(now int64) Command { stamp(&c.Time, now); return c }
func (c PutDomain) stamped(now int64) Command  { stamp(&c.Time, now); return c }
func (c DropDomain) stamped(now int64) Command { stamp(&c.Time, now); return c }

// valid gives an error of package access its meaning here.
func valid(err error) error {
	if errors.Is(err, access.ErrInvalid) {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return err
}

func (c PutKey) check() error {
	return first(valid(c.Key.Check()), checkTime("time", c.Time))
}

func (c PutAccount) check() error {
	return first(valid(c.Account.Check()), checkTime("time", c.Time))
}

func (c PutDomain) check() error {
	return first(valid(c.Domain.Check()), checkTime("time", c.Time))
}

func (c DropDomain) check() error {
	if !access.ValidHost(c.Name) {
		return refuse(ErrInvalid, "domain %q", shown(c.Name))
	}
	return checkTime("time", c.Time)
}

func (c NoteUses) check() error {
	if len(c.Used) > UsesMax {
		return refuse(ErrInvalid, "uses of %d keys, want at most %d", len(c.Used), UsesMax)
	}
	for id, used := range c.Used {
		if !access.ValidKeyID(id) {
			return refuse(ErrInvalid, "key %q", shown(id))
		}
		if err := checkTime("time", used); err != nil {
			return err
		}
	}
	return checkTime("time", c.Time)
}

// Readable refuses what not all nodes read, and names those that do not.
func (s *State) Readable(from uint16, what string) error {
	if format := s.Format(); format < from {
		return refuse(ErrRefused, "%s need format %d, and not all nodes read that: upgrade %s first", what, from, s.older(from))
	}
	return nil
}

// olderMax is how many nodes an error names.
const olderMax = 5

// older names the nodes that do not read a format.
func (s *State) older(format uint16) string {
	var names []string
	for _, id := range slices.Sorted(maps.Keys(s.Nodes)) {
		if n := s.Nodes[id]; n.State != Gone && n.Formats.Max < format {
			names = append(names, fmt.Sprintf("node %s (%s, which reads format %d)", cmp.Or(n.Name, id), id, n.Formats.Max))
		}
	}
	if more := len(names) - olderMax; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:olderMax], ", "), more)
	}
	return strings.Join(names, ", ")
}

// unchanged refuses a change that was planned on what is not so any more.
func unchanged(what string, there bool, version, planned uint64) error {
	switch {
	case planned == 0 && there:
		return refuse(ErrConflict, "%s is there already", what)
	case planned != 0 && !there:
		return refuse(ErrConflict, "%s is not there any more", what)
	case planned != version:
		return refuse(ErrConflict, "%s changed at index %d, this was made of that of index %d", what, version, planned)
	}
	return nil
}

func (c PutKey) apply(s *State) error {
	old, there := s.Keys[c.Key.ID]
	if err := first(s.Readable(FormatTenants, "keys, tenants and domains"), unchanged("key "+c.Key.ID, there, old.Version, c.If)); err != nil {
		return err
	}
	key := c.Key
	switch {
	case there && old.Revoked != 0:
		return refuse(ErrRefused, "key %s is revoked", key.ID)
	case there && (key.Tenant != old.Tenant || key.Created != old.Created):
		return refuse(ErrRefused, "key %s is of tenant %s", key.ID, old.Tenant)
	case !there:
		key.Created = cmp.Or(key.Created, c.Time)
		for _, other := range s.Keys {
			if bytes.Equal(other.Secrets[0].Sum, key.Secrets[0].Sum) {
				return refuse(ErrConflict, "key %s has this secret", other.ID)
			}
		}
	}
	key.Used = max(key.Used, old.Used)
	key.Version = s.Index
	s.Keys = maps.Clone(s.Keys)
	if !there {
		if err := s.roomForKey(key.Tenant, c.Time); err != nil {
			return err
		}
	}
	if there {
		s.bytes -= old.Size()
	}
	s.bytes += key.Size()
	s.Keys[key.ID] = key
	return nil
}

// roomForKey forgets dead keys until there is room for one more of a tenant; the
// map must be the state's own.
func (s *State) roomForKey(tenant model.TenantID, now int64) error {
	mine := 0
	for _, key := range s.Keys {
		if key.Tenant == tenant {
			mine++
		}
	}
	if mine >= KeysOfTenantMax && !s.forgetKey(now, tenant) {
		return refuse(ErrRefused, "the tenant has %d keys, the most there can be", mine)
	}
	if len(s.Keys) >= KeysMax && !s.forgetKey(now, "") {
		return refuse(ErrRefused, "%d keys, the most there can be", len(s.Keys))
	}
	return nil
}

// forgetKey forgets the dead key that was made first, of a tenant or, for "", of
// all, and reports whether there is one; the map must be the state's own.
func (s *State) forgetKey(now int64, tenant model.TenantID) bool {
	var oldest *access.Key
	for _, key := range s.Keys {
		if !key.Alive(now) && (tenant == "" || key.Tenant == tenant) && (oldest == nil || cmp.Or(cmp.Compare(key.Created, oldest.Created), cmp.Compare(key.ID, oldest.ID)) < 0) {
			oldest = &key
		}
	}
	if oldest == nil {
		return false
	}
	s.bytes -= oldest.Size()
	delete(s.Keys, oldest.ID)
	return true
}

func (c NoteUses) apply(s *State) error {
	if err := s.Readable(FormatTenants, "keys, tenants and domains"); err != nil {
		return err
	}
	s.Keys = maps.Clone(s.Keys)
	for id, used := range c.Used {
		if key, ok := s.Keys[id]; ok && used > key.Used {
			key.Used = used // not a change of the key: its version stays
			s.Keys[id] = key
		}
	}
	return nil
}

func (c PutAccount) apply(s *State) error {
	account := c.Account
	old, there := s.Accounts[account.ID]
	if err := first(s.Readable(FormatTenants, "keys, tenants and domains"), unchanged("tenant "+string(account.ID), there, old.Version, c.If)); err != nil {
		return err
	}
	switch {
	case there && old.Status == access.Deleting:
		return refuse(ErrRefused, "tenant %s is being deleted", account.ID)
	case !there && len(s.Accounts) >= TenantsMax:
		return refuse(ErrRefused, "%d tenants, the most there can be", len(s.Accounts))
	case there:
		account.Created, account.Since = old.Created, old.Since
		s.bytes -= old.Size()
	default:
		account.Created = c.Time
	}
	if !there || old.Status != account.Status {
		account.Since = c.Time
	}
	account.Version = s.Index
	s.bytes += account.Size()
	s.Accounts = maps.Clone(s.Accounts)
	s.Accounts[account.ID] = account
	return nil
}

func (c PutDomain) apply(s *State) error {
	domain := c.Domain
	old, there := s.Domains[domain.Name]
	if err := first(s.Readable(FormatTenants, "keys, tenants and domains"), unchanged("domain "+domain.Name, there, old.Version, c.If)); err != nil {
		return err
	}
	if !there && len(s.Domains) >= DomainsMax {
		return refuse(ErrRefused, "%d domains, the most there can be", len(s.Domains))
	}
	if there {
		domain.Created = old.Created
		s.bytes -= old.Size()
	} else {
		domain.Created = c.Time
	}
	domain.Version = s.Index
	s.bytes += domain.Size()
	s.Domains = maps.Clone(s.Domains)
	s.Domains[domain.Name] = domain
	return nil
}

func (c DropDomain) apply(s *State) error {
	old, there := s.Domains[c.Name]
	if !there {
		return refuse(ErrConflict, "domain %s is not there any more", c.Name)
	}
	s.bytes -= old.Size()
	s.Domains = maps.Clone(s.Domains)
	delete(s.Domains, c.Name)
	return nil
}

// checkAccess finds what no sequence of commands makes.
func (s *State) checkAccess() error {
	if len(s.Keys) > KeysMax || len(s.Accounts) > TenantsMax || len(s.Domains) > DomainsMax {
		return fmt.Errorf("%d keys, %d accounts, %d domains", len(s.Keys), len(s.Accounts), len(s.Domains))
	}
	version := func(what string, is, want string, version uint64, err error) error {
		if err != nil {
			return err
		}
		if is != want || version == 0 || version > s.Index {
			return fmt.Errorf("%s %q of version %d at the place of %q in a state of index %d", what, is, version, want, s.Index)
		}
		return nil
	}
	for id, key := range s.Keys {
		if err := version("key", key.ID, id, key.Version, key.Check()); err != nil {
			return err
		}
	}
	for id, account := range s.Accounts {
		if err := version("account", string(account.ID), string(id), account.Version, account.Check()); err != nil {
			return err
		}
	}
	for name, domain := range s.Domains {
		if err := version("domain", domain.Name, name, domain.Version, domain.Check()); err != nil {
			return err
		}
	}
	return nil
}

// settleAccess gives what was read the form that Apply gives it.
func (s *State) settleAccess() {
	if s.Keys == nil {
		s.Keys = map[string]access.Key{}
	}
	if s.Accounts == nil {
		s.Accounts = map[model.TenantID]access.Account{}
	}
	if s.Domains == nil {
		s.Domains = map[string]access.Domain{}
	}
	for _, key := range s.Keys {
		s.bytes += key.Size()
	}
	for _, account := range s.Accounts {
		s.bytes += account.Size()
	}
	for _, domain := range s.Domains {
		s.bytes += domain.Size()
	}
}
