package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/triage"
)

// The kinds of documents.
const (
	kindRule     = "rule"
	kindAlerts   = "alerts" // what is known of a rule's alerts
	kindIncident = "incident"
	kindSilence  = "silence"
	kindWebhook  = "webhook"
	kindQueue    = "webhook-queue"
	kindDelivery = "delivery"
	kindService  = "service"
	kindProbes   = "probes" // what became of looks at a service
)

// storedRule is a rule with its history.
type storedRule struct {
	Rule     triage.Rule   `json:"rule"`
	Revision int           `json:"revision"`
	By       string        `json:"by,omitempty"`
	Changed  int64         `json:"changed"`
	Earlier  []earlierRule `json:"earlier,omitempty"` // the newest first
}

type earlierRule struct {
	Rule     triage.Rule `json:"rule"`
	Revision int         `json:"revision"`
	By       string      `json:"by,omitempty"`
	Changed  int64       `json:"changed"`
}

const (
	rulesMax     = 256 // of a tenant
	incidentsMax = 1024
	// incidentBytes leaves room for those that grow.
	incidentBytes = catalogue.DocumentBytesOfTenantMax / 3
	// deliveryBytes leaves room for those of one look.
	deliveryBytes = catalogue.DocumentBytesOfTenantMax - 2*catalogue.ChangesBytes
	silencesMax   = 256
	servicesMax   = 256
	revisionsMax  = 5
	conflictsMax  = 8 // that are tried again
)

// changer changes the catalogue.
type changer = func(ctx context.Context, command catalogue.Command) (*catalogue.State, error)

// place is where a document is.
type place struct{ kind, id string }

// batch collects changes of documents of one tenant, planned on one state.
type batch struct {
	state   *catalogue.State
	tenant  model.TenantID
	changes []catalogue.DocumentChange
	at      map[place]int
	bytes   int
}

func newBatch(state *catalogue.State, tenant model.TenantID) *batch {
	return &batch{state: state, tenant: tenant, at: map[place]int{}}
}

// get reads a document, with the changes of the batch.
func (b *batch) get(kind, id string, into any) (there bool, err error) {
	if at, changed := b.at[place{kind, id}]; changed {
		if b.changes[at].Drop {
			return false, nil
		}
		return true, decode(kind, id, b.changes[at].Body, into)
	}
	return read(b.state, kind, b.tenant, id, into)
}

// put writes a document, planned on the one that the state has.
func (b *batch) put(kind, id string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s %s: %w", kind, id, err)
	}
	b.change(catalogue.DocumentChange{Kind: kind, ID: id, Body: body})
	return nil
}

// putRule writes a rule with as many of its revisions as fit.
func (b *batch) putRule(stored *storedRule) error {
	for len(stored.Earlier) > 0 {
		body, err := json.Marshal(stored)
		if err != nil {
			return fmt.Errorf("encode rule %s: %w", stored.Rule.ID, err)
		}
		if len(body) <= catalogue.DocumentMax {
			break
		}
		stored.Earlier = stored.Earlier[:len(stored.Earlier)-1]
	}
	return b.put(kindRule, stored.Rule.ID, stored)
}

func (b *batch) drop(kind, id string) {
	b.change(catalogue.DocumentChange{Kind: kind, ID: id, Drop: true})
}

func (b *batch) change(c catalogue.DocumentChange) {
	c.Tenant, c.If = b.tenant, b.state.Document(c.Kind, b.tenant, c.ID).Version
	where := place{c.Kind, c.ID}
	if at, changed := b.at[where]; changed {
		b.bytes += len(c.Body) - len(b.changes[at].Body)
		b.changes[at] = c
		return
	}
	b.at[where] = len(b.changes)
	b.bytes += len(c.Body)
	b.changes = append(b.changes, c)
}

// room reports whether so many more changes of so many bytes fit.
func (b *batch) room(changes, bytes int) bool {
	return len(b.changes)+changes <= catalogue.ChangesMax && b.bytes+bytes <= catalogue.ChangesBytes
}

func decode(kind, id string, body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read %s %s: %w", kind, id, err)
	}
	return nil
}

// read decodes a document of a state.
func read(state *catalogue.State, kind string, tenant model.TenantID, id string, into any) (there bool, err error) {
	d := state.Document(kind, tenant, id)
	if d.Version == 0 {
		return false, nil
	}
	return true, decode(kind, id, d.Body, into)
}

// all returns the documents of a kind and tenant, in the order of their ids. What cannot
// be read is left out.
func all[T any](state *catalogue.State, kind string, tenant model.TenantID) []T {
	var out []T
	for _, id := range state.DocumentIDs(kind, tenant) {
		var one T
		if there, err := read(state, kind, tenant, id, &one); there && err == nil {
			out = append(out, one)
		}
	}
	return out
}

// propose makes the changes of a batch.
func (b *batch) propose(ctx context.Context, change changer) (*catalogue.State, error) {
	if len(b.changes) == 0 {
		return b.state, nil
	}
	return change(ctx, catalogue.ChangeDocuments{Changes: b.changes})
}

// edit plans changes and makes them, again where somebody else was faster.
func edit(ctx context.Context, state func() *catalogue.State, change changer, tenant model.TenantID, plan func(b *batch) error) (*catalogue.State, error) {
	for try := 1; ; try++ {
		b := newBatch(state(), tenant)
		if err := plan(b); err != nil {
			return nil, err
		}
		after, err := b.propose(ctx, change)
		if err == nil || !errors.Is(err, catalogue.ErrConflict) || try == conflictsMax || ctx.Err() != nil {
			return after, err
		}
	}
}

// ruleOf returns the rule of a tenant that has an id, nil if there is none.
func ruleOf(state *catalogue.State, tenant model.TenantID, id string) *triage.Rule {
	for _, r := range rulesOf(state, tenant) {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// rulesOf returns the rules of a tenant, its own and those of the start, by id.
func rulesOf(state *catalogue.State, tenant model.TenantID) []*triage.Rule {
	var rules []*triage.Rule
	for _, stored := range all[storedRule](state, kindRule, tenant) {
		rules = append(rules, &stored.Rule)
	}
	for _, builtin := range triage.Defaults() {
		own := slices.ContainsFunc(rules, func(r *triage.Rule) bool { return r.ID == builtin.ID })
		if !own {
			rules = append(rules, agreed(state, tenant, builtin))
		}
	}
	slices.SortFunc(rules, func(a, b *triage.Rule) int { return strings.Compare(a.ID, b.ID) })
	return rules
}
