package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/stere-log/stere/api"
	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/redact"
)

// Where a tenant's rules of redaction are among the documents of the catalogue.
const (
	redactionKind = "redaction"
	redactionID   = "rules"
)

// redactionFormat is the newest form of that document, which is JSON.
const redactionFormat = 1

// redactionDocument is what tenants have agreed on of redaction.
type redactionDocument struct {
	Format  int                      `json:"format"`
	Set     string                   `json:"set,omitempty"`
	Actions map[string]redact.Action `json:"actions,omitempty"`
	Fields  []redact.FieldRule       `json:"fields,omitempty"`
	Rules   []redact.Rule            `json:"rules,omitempty"`
	Weaker  bool                     `json:"weaker,omitempty"`
	By      string                   `json:"by,omitempty"`
	Changed int64                    `json:"changed"` // Unix ns
}

// Redactions are the rules of redaction that tenants have of their own. What follows from
// them is kept until they are others. Create one with NewRedactions; it is safe for
// concurrent use.
type Redactions struct {
	directory Directory
	base      *redact.Redactor // what the node does
	off       bool             // the node does nothing for who has no rules
	logger    *slog.Logger
	now       func() time.Time

	mu    sync.RWMutex
	known map[model.TenantID]knownRedactor
}

// knownRedactor is what follows from a version of a tenant's rules.
type knownRedactor struct {
	version  uint64
	redactor *redact.Redactor
}

// knownMax is for how many tenants it is kept: the compiled rules of one take up to some
// hundred KiB.
const knownMax = 512

var _ admin.Redactions = (*Redactions)(nil)

// NewRedactions returns the rules of the tenants of a directory, on a node that does what
// base does: if it is off, only for who has rules.
func NewRedactions(directory Directory, base *redact.Redactor, off bool, logger *slog.Logger, now func() time.Time) *Redactions {
	return &Redactions{directory: directory, base: base, off: off, logger: logger, now: now, known: map[model.TenantID]knownRedactor{}}
}

// Base implements admin.Redactions.
func (r *Redactions) Base() *redact.Redactor { return r.base }

// Redactor implements admin.Redactions. Rules that this node cannot read were written by
// a later version; what the node does holds meanwhile.
func (r *Redactions) Redactor(tenant model.TenantID) *redact.Redactor {
	document := r.directory.State().Document(redactionKind, tenant, redactionID)
	if document.Version == 0 {
		if r.off {
			return nil
		}
		return r.base
	}
	r.mu.RLock()
	known, there := r.known[tenant]
	r.mu.RUnlock()
	if there && known.version == document.Version {
		return known.redactor
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, there := r.known[tenant]; there && known.version == document.Version {
		return known.redactor
	}
	redactor := r.base
	rules, err := readRedaction(document)
	if err == nil {
		redactor, err = r.base.With(rules.Own)
	}
	if err != nil {
		r.logger.Error("the rules of redaction of a tenant have no effect on this node", "tenant", tenant, "error", err)
		redactor = r.base
	}
	if len(r.known) >= knownMax {
		clear(r.known)
	}
	r.known[tenant] = knownRedactor{document.Version, redactor}
	return redactor
}

// readRedaction reads a document.
func readRedaction(document catalogue.Document) (admin.OwnRedaction, error) {
	var d redactionDocument
	if err := json.Unmarshal(document.Body, &d); err != nil {
		return admin.OwnRedaction{}, fmt.Errorf("read rules of redaction: %w", err)
	}
	if d.Format != redactionFormat {
		return admin.OwnRedaction{}, fmt.Errorf("read rules of redaction: they have format %d, want %d", d.Format, redactionFormat)
	}
	set, ok := redact.ParseSet(d.Set)
	if !ok {
		return admin.OwnRedaction{}, fmt.Errorf("read rules of redaction: there is no set %.40q", d.Set)
	}
	own := redact.Own{Set: set, Actions: d.Actions, Fields: d.Fields, Rules: d.Rules, Weaker: d.Weaker}
	return admin.OwnRedaction{Own: own, By: d.By, Changed: time.Unix(0, d.Changed).UTC(), Version: document.Version}, nil
}

// Rules implements admin.Redactions.
func (r *Redactions) Rules(tenant model.TenantID) (admin.OwnRedaction, error) {
	document := r.directory.State().Document(redactionKind, tenant, redactionID)
	if document.Version == 0 {
		return admin.OwnRedaction{Own: redact.Own{Set: redact.Nothing}}, nil
	}
	return readRedaction(document)
}

// SetRules implements admin.Redactions.
func (r *Redactions) SetRules(ctx context.Context, tenant model.TenantID, rules admin.OwnRedaction) (admin.OwnRedaction, error) {
	rules.Changed = r.now().UTC()
	body, err := json.Marshal(redactionDocument{
		Format: redactionFormat, Set: rules.Set.String(), Actions: rules.Actions, Fields: rules.Fields, Rules: rules.Own.Rules, Weaker: rules.Weaker,
		By: rules.By, Changed: rules.Changed.UnixNano(),
	})
	if err != nil {
		return rules, fmt.Errorf("write rules of redaction: %w", err)
	}
	if len(body) > catalogue.DocumentMax {
		return rules, fmt.Errorf("%w: the rules take %d bytes, want at most %d", api.ErrRefused, len(body), catalogue.DocumentMax)
	}
	state, err := r.directory.propose(ctx, catalogue.ChangeDocuments{Changes: []catalogue.DocumentChange{{Kind: redactionKind, Tenant: tenant, ID: redactionID, If: rules.Version, Body: body}}})
	if err != nil {
		return rules, err
	}
	rules.Version = state.Document(redactionKind, tenant, redactionID).Version
	return rules, nil
}

// DropRules implements admin.Redactions.
func (r *Redactions) DropRules(ctx context.Context, tenant model.TenantID, version uint64) error {
	_, err := r.directory.propose(ctx, catalogue.ChangeDocuments{Changes: []catalogue.DocumentChange{{Kind: redactionKind, Tenant: tenant, ID: redactionID, If: version, Drop: true}}})
	return err
}
