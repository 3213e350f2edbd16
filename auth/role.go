package auth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stere-log/stere/model"
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
	Admin                 // operate the node
)

// String returns the permission's name.
func (p Permission) String() string {
	switch p {
	case Open:
		return "open"
	case Known:
		return "known"
	case Read:
		return "read"
	case Write:
		return "write"
	case Admin:
		return "admin"
	}
	return "undeclared"
}

// Role names a set of permissions.
type Role string

// The roles.
const (
	Reader        Role = "reader"         // reads
	Writer        Role = "writer"         // sends, for shippers: cannot read back
	User          Role = "user"           // sends and reads
	Analyst       Role = "analyst"        // reads
	TenantAdmin   Role = "tenant-admin"   // sends, reads and administers one tenant
	PlatformAdmin Role = "platform-admin" // everything
)

// permissionsOf is the permission table.
func permissionsOf(role Role) []Permission {
	switch role {
	case Reader, Analyst:
		return []Permission{Known, Read}
	case Writer:
		return []Permission{Known, Write}
	case User, TenantAdmin:
		return []Permission{Known, Read, Write}
	case PlatformAdmin:
		return []Permission{Known, Read, Write, Admin}
	}
	return nil
}

// ParseRole understands the names of roles in any case, with '_' for '-', and
// "admin" for the platform's administrator.
func ParseRole(s string) (Role, error) {
	role := Role(strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), "_", "-"))
	if role == "admin" {
		role = PlatformAdmin
	}
	if permissionsOf(role) == nil {
		return "", fmt.Errorf("unknown role %q, want reader, writer, user, analyst, tenant-admin or platform-admin", s)
	}
	return role, nil
}

// Principal is who asks.
type Principal struct {
	Name    string
	Tenant  model.TenantID
	Role    Role
	Method  string // how it was recognised: "api-key", "jwt" or "none"
	Expires int64  // Unix seconds after which the credentials end, 0 for never
}

// Anonymous is the principal of every request where authentication is off: the
// node's owner, because such a node listens on the loopback interface only.
func Anonymous() Principal {
	return Principal{Name: "anonymous", Tenant: model.DefaultTenant, Role: PlatformAdmin, Method: "none"}
}

// Authorize reports whether the principal has the permission; the error wraps
// ErrForbidden.
func Authorize(p Principal, permission Permission) error {
	if permission == Open || permission != Undeclared && slices.Contains(permissionsOf(p.Role), permission) {
		return nil
	}
	return fmt.Errorf("%w: the role %q of %q does not include %q", ErrForbidden, p.Role, p.Name, permission)
}
