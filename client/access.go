package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/stere-log/stere/api/v1"
)

// The methods of this file need the permission manage for what is of one's own
// tenant, and admin for the rest.

// administer makes a call and reads the data of its answer. What makes something
// is not repeated by itself.
func administer[T any](ctx context.Context, c *Client, method, path string, body any, bare bool) (out T, err error) {
	in := call{method: method, path: "/admin/" + path, once: method == "POST"}
	if body != nil {
		if in.body, err = json.Marshal(body); err != nil {
			return out, fmt.Errorf("%s %s: %w", method, in.path, err)
		}
		in.contentType = "application/json"
	}
	_, answer, err := c.do(ctx, in)
	if err == nil && bare {
		if err = json.Unmarshal(answer, &out); err != nil {
			err = fmt.Errorf("%w: %w", ErrAnswer, err)
		}
	} else if err == nil {
		var envelope v1.Envelope[T]
		envelope, err = decode[T](answer, nil)
		out = envelope.Data
	}
	if err != nil {
		return out, fmt.Errorf("%s %s: %w", method, in.path, err)
	}
	return out, nil
}

// Keys lists API keys, those of a tenant or all.
func (c *Client) Keys(ctx context.Context, tenant string) ([]v1.Key, error) {
	path := "keys"
	if tenant != "" {
		path += "?tenant=" + url.QueryEscape(tenant)
	}
	return administer[[]v1.Key](ctx, c, "GET", path, nil, false)
}

// CreateKey makes a key; its text is in the answer and nowhere else.
func (c *Client) CreateKey(ctx context.Context, request v1.KeyRequest) (v1.Key, error) {
	return administer[v1.Key](ctx, c, "POST", "keys", request, false)
}

// RotateKey gives a key a new secret, which is in the answer and nowhere else.
func (c *Client) RotateKey(ctx context.Context, id string, request v1.RotateRequest) (v1.Key, error) {
	return administer[v1.Key](ctx, c, "POST", "keys/"+url.PathEscape(id)+"/rotate", request, false)
}

// RevokeKey ends a key for good.
func (c *Client) RevokeKey(ctx context.Context, id string) (v1.Key, error) {
	return administer[v1.Key](ctx, c, "DELETE", "keys/"+url.PathEscape(id), nil, false)
}

// Tenants lists the tenants with which something is agreed.
func (c *Client) Tenants(ctx context.Context) ([]v1.Tenant, error) {
	return administer[[]v1.Tenant](ctx, c, "GET", "tenants", nil, false)
}

// Tenant returns a tenant.
func (c *Client) Tenant(ctx context.Context, id string) (v1.Tenant, error) {
	return administer[v1.Tenant](ctx, c, "GET", "tenants/"+url.PathEscape(id), nil, false)
}

// CreateTenant makes an account.
func (c *Client) CreateTenant(ctx context.Context, request v1.TenantRequest) (v1.Tenant, error) {
	return administer[v1.Tenant](ctx, c, "POST", "tenants", request, false)
}

// ChangeTenant changes what the request has.
func (c *Client) ChangeTenant(ctx context.Context, id string, request v1.TenantRequest) (v1.Tenant, error) {
	return administer[v1.Tenant](ctx, c, "PATCH", "tenants/"+url.PathEscape(id), request, false)
}

// DeleteTenant begins to delete a tenant, which cannot be taken back.
func (c *Client) DeleteTenant(ctx context.Context, id string) (v1.Tenant, error) {
	return administer[v1.Tenant](ctx, c, "DELETE", "tenants/"+url.PathEscape(id)+"?confirm="+url.QueryEscape(id), nil, false)
}

// Deletions lists deletions, newest first; of one tenant, "" for all.
func (c *Client) Deletions(ctx context.Context, tenant string) ([]v1.Deletion, error) {
	return administer[[]v1.Deletion](ctx, c, "GET", "deletions?tenant="+url.QueryEscape(tenant), nil, false)
}

// Deletion returns a deletion.
func (c *Client) Deletion(ctx context.Context, id string) (v1.Deletion, error) {
	return administer[v1.Deletion](ctx, c, "GET", "deletions/"+url.PathEscape(id), nil, false)
}

// Delete plans to delete records.
func (c *Client) Delete(ctx context.Context, request v1.DeletionRequest) (v1.Deletion, error) {
	request.DryRun = false
	return administer[v1.Deletion](ctx, c, "POST", "deletions", request, false)
}

// EstimateDeletion says what a deletion would remove.
func (c *Client) EstimateDeletion(ctx context.Context, request v1.DeletionRequest) (v1.DeletionEstimate, error) {
	request.DryRun = true
	return administer[v1.DeletionEstimate](ctx, c, "POST", "deletions", request, false)
}

// CancelDeletion cancels a deletion that has not begun.
func (c *Client) CancelDeletion(ctx context.Context, id string) (v1.Deletion, error) {
	return administer[v1.Deletion](ctx, c, "DELETE", "deletions/"+url.PathEscape(id), nil, false)
}

// Holds lists legal holds.
func (c *Client) Holds(ctx context.Context) ([]v1.Hold, error) {
	return administer[[]v1.Hold](ctx, c, "GET", "holds", nil, false)
}

// CreateHold makes a legal hold.
func (c *Client) CreateHold(ctx context.Context, request v1.HoldRequest) (v1.Hold, error) {
	return administer[v1.Hold](ctx, c, "POST", "holds", request, false)
}

// DropHold lifts a legal hold.
func (c *Client) DropHold(ctx context.Context, id string) (v1.Hold, error) {
	return administer[v1.Hold](ctx, c, "DELETE", "holds/"+url.PathEscape(id), nil, false)
}

// Retention returns how long a tenant's records are kept.
func (c *Client) Retention(ctx context.Context, tenant string) (v1.Retention, error) {
	return administer[v1.Retention](ctx, c, "GET", "tenants/"+url.PathEscape(tenant)+"/retention", nil, false)
}

// SetRetention says how long a tenant's records are kept.
func (c *Client) SetRetention(ctx context.Context, tenant string, request v1.RetentionRequest) (v1.Retention, error) {
	request.DryRun = false
	return administer[v1.Retention](ctx, c, "PUT", "tenants/"+url.PathEscape(tenant)+"/retention", request, false)
}

// EstimateRetention says what rules would remove now.
func (c *Client) EstimateRetention(ctx context.Context, tenant string, request v1.RetentionRequest) (v1.RetentionEstimate, error) {
	request.DryRun = true
	return administer[v1.RetentionEstimate](ctx, c, "PUT", "tenants/"+url.PathEscape(tenant)+"/retention", request, false)
}

// Redaction returns a tenant's rules of redaction, and what is done with what is found.
func (c *Client) Redaction(ctx context.Context, tenant string) (v1.Redaction, error) {
	return administer[v1.Redaction](ctx, c, "GET", "tenants/"+url.PathEscape(tenant)+"/redaction", nil, false)
}

// SetRedaction replaces a tenant's rules of redaction.
func (c *Client) SetRedaction(ctx context.Context, tenant string, request v1.RedactionRequest) (v1.Redaction, error) {
	return administer[v1.Redaction](ctx, c, "PUT", "tenants/"+url.PathEscape(tenant)+"/redaction", request, false)
}

// DropRedaction drops a tenant's rules of redaction.
func (c *Client) DropRedaction(ctx context.Context, tenant string) (v1.Redaction, error) {
	return administer[v1.Redaction](ctx, c, "DELETE", "tenants/"+url.PathEscape(tenant)+"/redaction", nil, false)
}

// Domains lists domains.
func (c *Client) Domains(ctx context.Context) (v1.Domains, error) {
	return administer[v1.Domains](ctx, c, "GET", "domains", nil, true)
}

// CreateDomain makes a host name stand for a tenant.
func (c *Client) CreateDomain(ctx context.Context, request v1.DomainRequest) (v1.Domain, error) {
	return administer[v1.Domain](ctx, c, "POST", "domains", request, true)
}

// ChangeDomain changes what the request has.
func (c *Client) ChangeDomain(ctx context.Context, name string, request v1.DomainRequest) (v1.Domain, error) {
	return administer[v1.Domain](ctx, c, "PATCH", "domains/"+url.PathEscape(name), request, true)
}

// DropDomain makes a host name stand for nobody.
func (c *Client) DropDomain(ctx context.Context, name string) (v1.Domain, error) {
	return administer[v1.Domain](ctx, c, "DELETE", "domains/"+url.PathEscape(name), nil, true)
}

// Usage reports what a tenant used, "" for all, on the days from one to another; "" for
// the last thirty.
func (c *Client) Usage(ctx context.Context, tenant, from, to string) (v1.Usage, error) {
	return administer[v1.Usage](ctx, c, "GET", "usage"+params(map[string]string{"tenant": tenant, "from": from, "to": to}), nil, false)
}

// Encryption returns how what the node has on disk is encrypted.
func (c *Client) Encryption(ctx context.Context) (v1.Encryption, error) {
	return administer[v1.Encryption](ctx, c, "GET", "encryption", nil, false)
}

// RotateEncryption gives the node new data keys, under the newest master key.
func (c *Client) RotateEncryption(ctx context.Context) (v1.Encryption, error) {
	return administer[v1.Encryption](ctx, c, "POST", "encryption/rotate", nil, false)
}

// Audit returns entries of the audit trail, newest first, by parameters of
// GET /admin/audit.
func (c *Client) Audit(ctx context.Context, asked map[string]string) (v1.Audit, error) {
	return administer[v1.Audit](ctx, c, "GET", "audit"+params(asked), nil, false)
}

// AuditHeads returns the newest entry of every chain of the audit trail.
func (c *Client) AuditHeads(ctx context.Context) ([]v1.AuditHead, error) {
	return administer[[]v1.AuditHead](ctx, c, "GET", "audit/heads", nil, false)
}

// params returns a query string of what is not empty.
func params(of map[string]string) string {
	values := url.Values{}
	for name, value := range of {
		if value != "" {
			values.Set(name, value)
		}
	}
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}
