package admin

import (
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/client"
)

// Key is stere admin key.
type Key struct {
	Create createKey `cmd:"" help:"Make a key, and print it, once."`
	List   listKeys  `cmd:"" help:"List keys, without their secrets."`
	Rotate rotateKey `cmd:"" help:"Give a key a new secret; the old one is taken beside it for a while."`
	Revoke revokeKey `cmd:"" help:"End a key for good, at once."`
}

type createKey struct {
	Remote
	Name        string   `help:"What the key is for; of a user, who it is." placeholder:"NAME"`
	Tenant      string   `help:"Whose records (default: the tenant of who asks)." placeholder:"TENANT"`
	Role        string   `required:"" help:"reader, writer, user, analyst, tenant-admin or platform-admin." placeholder:"ROLE"`
	Permission  []string `help:"Only these of the role's: read, write, export, save, feedback, manage, choose, admin." placeholder:"NAME"`
	Restriction string   `help:"A condition that every record satisfies that the key sees." placeholder:"CONDITION"`
	Network     []string `help:"From where it is taken (default: anywhere)." placeholder:"CIDR"`
	PerMinute   int64    `help:"Requests of each kind in a minute at most (default: those of the tenant)." placeholder:"N"`
	Expires     string   `help:"After how long it ends, such as 90d (default: never)." placeholder:"LENGTH"`
}

// Help teaches by example.
func (createKey) Help() string {
	return `The key is printed on standard output and is nowhere else: keep it.

Examples:
  stere admin key create --role writer --tenant shop --name filebeat --network 10.0.0.0/8
  stere admin key create --role analyst --tenant shop --expires 90d --restriction 'component:checkout'`
}

// Run makes a key.
func (k *createKey) Run(w World) error {
	return run(w, k.Remote, func(ctx context.Context, c *client.Client) (v1.Key, error) {
		return c.CreateKey(ctx, v1.KeyRequest{
			Name: k.Name, Tenant: k.Tenant, Role: k.Role, Permissions: k.Permission, Restriction: k.Restriction, Networks: k.Network, PerMinute: k.PerMinute, ExpiresIn: k.Expires,
		})
	}, func(out io.Writer, key v1.Key) { row(out, key.Text) })
}

type listKeys struct {
	Remote
	Tenant string `help:"Only those of a tenant." placeholder:"TENANT"`
}

// Run lists keys.
func (k *listKeys) Run(w World) error {
	return run(w, k.Remote, func(ctx context.Context, c *client.Client) ([]v1.Key, error) {
		return c.Keys(ctx, k.Tenant)
	}, func(out io.Writer, keys []v1.Key) {
		row(out, "ID", "NAME", "TENANT", "ROLE", "STATUS", "MADE", "BY", "EXPIRES", "LAST USED", "FROM", "A MINUTE", "MAY", "RESTRICTION")
		for i := range keys {
			key := &keys[i]
			row(out, key.ID, key.Name, key.Tenant, key.Role, key.Status, day(&key.Created), key.By, day(key.Expires), day(key.LastUsed), strings.Join(key.Networks, " "), most(key.PerMinute), strings.Join(key.Permissions, " "), key.Restriction)
		}
	})
}

// most is how many requests a key may make, "" for as many as its tenant.
func most(perMinute int64) string {
	if perMinute == 0 {
		return ""
	}
	return strconv.FormatInt(perMinute, 10)
}

type rotateKey struct {
	Remote
	ID      string `arg:"" help:"The key's id."`
	Overlap string `default:"24h" help:"How long the old secret is taken beside the new one (default 24h); 0 for not at all." placeholder:"LENGTH"`
}

// Run rotates a key.
func (k *rotateKey) Run(w World) error {
	return run(w, k.Remote, func(ctx context.Context, c *client.Client) (v1.Key, error) {
		return c.RotateKey(ctx, k.ID, v1.RotateRequest{Overlap: k.Overlap})
	}, func(out io.Writer, key v1.Key) { row(out, key.Text) })
}

type revokeKey struct {
	Remote
	ID string `arg:"" help:"The key's id."`
}

// Run revokes a key.
func (k *revokeKey) Run(w World) error {
	return run(w, k.Remote, func(ctx context.Context, c *client.Client) (v1.Key, error) {
		return c.RevokeKey(ctx, k.ID)
	}, func(out io.Writer, key v1.Key) { row(out, key.ID+" is "+key.Status) })
}
