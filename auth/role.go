package auth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/syntax"
)

// Permission is what a route asks for.
type Permission uint8

// The permissions. The zero value is no permission at all: a route must
// declare one, and Authorize refuses a route that did not.
const (
	Undeclared Permission = iota
	Open                  // anybody, without credentials
	Known                 // anybody with valid credentials
	Read                  // search and read the tenant's records
	Write                 // send records to the tenant
	Export                // take any number of records out
	Save                  // keep queries
	Feedback              // say what of an analysis is right
	Manage                // administer one tenant: its keys, what is agreed with it
	Choose                // say for each request which tenant it is for
	Admin                 // operate the node, and administer all tenants
)

// names are the permissions' names.
var names = [...]string{"undeclared", "open", "known", "read", "write", "export", "save", "feedback", "manage", "choose", "admin"}

// String returns the permission's name.
func (p Permission) String() string {
	if int(p) < len(names) {
		return names[p]
	}
	return names[Undeclared]
}

// ofRecords reports whether the permission is about what a tenant has.
func (p Permission) ofRecords() bool { return p >= Read && p <= Feedback }

// ParsePermission reads the name of a permission that credentials can be limited
// to; "logs:read" is the same as "read".
func ParsePermission(text string) (Permission, bool) {
	text = strings.TrimPrefix(strings.ToLower(text), "logs:")
	for p := Read; p <= Admin; p++ {
		if names[p] == text {
			return p, true
		}
	}
	return Undeclared, false
}

// Permissions is a set of permissions.
type Permissions uint16

func setOf(list ...Permission) (set Permissions) {
	for _, p := range list {
		set |= 1 << p
	}
	return set
}

// Has reports whether a permission is in the set. Nobody has Undeclared.
func (s Permissions) Has(p Permission) bool {
	return p == Open || p > Undeclared && s&(1<<p) != 0
}

// Names returns the names of the permissions that credentials can be limited to.
func (s Permissions) Names() []string {
	list := []string{}
	for p := Read; p <= Admin; p++ {
		if s.Has(p) {
			list = append(list, names[p])
		}
	}
	return list
}

// limited returns what of a set is also in a list of names. Names that mean
// nothing here give nothing.
func (s Permissions) limited(list []string) Permissions {
	only := setOf(Known)
	for _, text := range list {
		if p, ok := ParsePermission(text); ok {
			only |= setOf(p)
		}
	}
	return s & only
}

// Role names a set of permissions.
type Role string

// The roles.
const (
	Reader        Role = "reader"         // reads
	Writer        Role = "writer"         // sends, for shippers: cannot read back
	User          Role = "user"           // sends, and reads its own records
	Analyst       Role = "analyst"        // reads, exports, keeps queries, gives feedback
	TenantAdmin   Role = "tenant-admin"   // everything in one tenant
	PlatformAdmin Role = "platform-admin" // everything
	// Scoped is the role of a token that lists its permissions and names no role:
	// those are what it has, but never one of administration.
	Scoped Role = "scoped"
)

// Roles returns the roles that credentials can have, the strongest first.
func Roles() []Role { return []Role{PlatformAdmin, TenantAdmin, Analyst, User, Writer, Reader} }

// permissionsOf is the permission table.
func permissionsOf(role Role) Permissions {
	switch role {
	case Reader:
		return setOf(Known, Read)
	case Analyst:
		return setOf(Known, Read, Export, Save, Feedback)
	case Writer:
		return setOf(Known, Write)
	case User:
		return setOf(Known, Read, Write)
	case Scoped:
		return setOf(Known, Read, Write, Export, Save, Feedback)
	case TenantAdmin:
		return setOf(Known, Read, Write, Export, Save, Feedback, Manage)
	case PlatformAdmin:
		return setOf(Known, Read, Write, Export, Save, Feedback, Manage, Choose, Admin)
	}
	return 0
}

// ParseRole understands the names of roles in any case, with '_' for '-', and
// "admin" for the platform's administrator.
func ParseRole(s string) (Role, error) {
	role := Role(strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), "_", "-"))
	if role == "admin" {
		role = PlatformAdmin
	}
	if !slices.Contains(Roles(), role) {
		return "", fmt.Errorf("unknown role %.40q, want reader, writer, user, analyst, tenant-admin or platform-admin", s)
	}
	return role, nil
}

// Principal is who asks.
type Principal struct {
	Name    string
	Tenant  model.TenantID
	Role    Role
	Grants  Permissions
	Method  string // how it was recognised: "api-key", "jwt" or "none"
	Issuer  string // of its token
	Key     string // the id of its API key
	Expires int64  // Unix seconds after which the credentials end, 0 for never
	// Restriction is a condition of the query language that every record satisfies
	// that the principal sees; "" for all of its tenant.
	Restriction string
	Domains     []string // the host names by which it may ask; none: any
	// Anywhere says that its credentials name no tenant: it is of the one that the
	// host name stands for, if that is among Domains.
	Anywhere bool
	// Own says that what it sends is marked as its own.
	Own bool
}

// Anonymous is the principal of every request where authentication is off: the
// node's owner, because such a node listens on the loopback interface only.
func Anonymous() Principal {
	return Principal{Name: "anonymous", Tenant: model.DefaultTenant, Role: PlatformAdmin, Grants: permissionsOf(PlatformAdmin), Method: "none"}
}

// Grants returns what credentials with a role may do, if they are limited to a
// list of permissions; nil is no limit.
func Grants(role Role, list []string) Permissions {
	if list == nil {
		return permissionsOf(role)
	}
	return permissionsOf(role).limited(list)
}

// The fields that say whose a record is: who it is about, and who sent it.
const (
	FieldSubject   = "userId"
	FieldSubmitter = "submitter"
)

// own restricts a principal to its own records.
func (p *Principal) own() {
	is := func(field string) syntax.Node {
		return syntax.Match{Field: field, Op: syntax.Equal, Value: syntax.Value{Text: p.Name, Quoted: true}}
	}
	p.Own = true
	p.Restriction = Both(p.Restriction, syntax.Print(syntax.Or{Of: []syntax.Node{is(FieldSubject), is(FieldSubmitter)}}))
}

// Both returns the condition that two conditions hold, of which each may be "".
func Both(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	return "(" + a + ") AND (" + b + ")"
}
