package operator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/api/models"
	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/meaning/classifier"
	"github.com/stere-log/stere/model"
)

// The kinds of documents.
const (
	modelKind   = "model"
	activeKind  = "model-active" // one document, activeID
	labelKind   = "label"
	activeID    = "active"
	beforeMax   = 8  // models that were active before
	decodedMax  = 64 // models that are kept decoded; of more tenants any one is let go
	triesMax    = 8  // of changes that others were faster with
	modelPrefix = "m-"
	labelPrefix = "lbl-"
)

// Models are the models of all tenants and what they are made of, as documents of the
// catalogue: each is JSON. It is safe for concurrent use.
type Models struct {
	State   func() *catalogue.State
	Propose func(ctx context.Context, command catalogue.Command) (*catalogue.State, error)

	mu      sync.Mutex
	decoded map[model.TenantID]decodedModel
}

// decodedModel is the model that is active, and of which documents it was made.
type decodedModel struct {
	active, version uint64
	id              string
	model           *classifier.Model
}

var _ models.Desk = (*Models)(nil)

// activeState is which model is active, and the number of the newest one.
type activeState struct {
	models.Active
	Last uint64 `json:"last"`
}

// document reads a document of a tenant.
func document[T any](state *catalogue.State, kind string, tenant model.TenantID, id string) (value T, there bool, err error) {
	d := state.Document(kind, tenant, id)
	if d.Version == 0 {
		return value, false, nil
	}
	if err := json.Unmarshal(d.Body, &value); err != nil {
		return value, false, fmt.Errorf("read %s %s: %w", kind, id, err)
	}
	return value, true, nil
}

// change plans changes and makes them, again where somebody else was faster.
func (m *Models) change(ctx context.Context, tenant model.TenantID, plan func(state *catalogue.State, put func(kind, id string, value any) error) error) error {
	for try := 1; ; try++ {
		state := m.State()
		var changes []catalogue.DocumentChange
		err := plan(state, func(kind, id string, value any) error {
			c := catalogue.DocumentChange{Kind: kind, Tenant: tenant, ID: id, If: state.Document(kind, tenant, id).Version}
			if c.Drop = value == nil; !c.Drop {
				var err error
				if c.Body, err = json.Marshal(value); err != nil {
					return fmt.Errorf("encode %s %s: %w", kind, id, err)
				}
			}
			changes = append(changes, c)
			return nil
		})
		if err != nil || len(changes) == 0 {
			return err
		}
		if err := state.RoomFor(tenant, changes); err != nil {
			return meaning(err)
		}
		_, err = m.Propose(ctx, catalogue.ChangeDocuments{Changes: changes})
		if err == nil || !errors.Is(err, catalogue.ErrConflict) || try == triesMax || ctx.Err() != nil {
			return meaning(err)
		}
	}
}

// Models implements models.Desk.
func (m *Models) Models(tenant model.TenantID) []models.Model {
	state := m.State()
	var found []models.Model
	for _, id := range state.DocumentIDs(modelKind, tenant) {
		// What cannot be read was written by a later version, and is not shown.
		if one, there, err := document[models.Model](state, modelKind, tenant, id); there && err == nil {
			one.Classifier = nil
			found = append(found, one)
		}
	}
	slices.Reverse(found)
	return found
}

// Model implements models.Desk.
func (m *Models) Model(tenant model.TenantID, id string) (models.Model, error) {
	one, there, err := document[models.Model](m.State(), modelKind, tenant, id)
	if err == nil && !there {
		err = unknown("model", id)
	}
	return one, err
}

func unknown(what, id string) error {
	return admin.Fault(admin.Unknown, "", "there is no %s %.64q", what, id)
}

// Active implements models.Desk.
func (m *Models) Active(tenant model.TenantID) models.Active {
	a, _, err := document[activeState](m.State(), activeKind, tenant, activeID)
	if err != nil {
		return models.Active{} // a later version wrote it
	}
	return a.Active
}

// Labelling returns the model of a tenant that is active, and its id; nil if none is.
func (m *Models) Labelling(tenant model.TenantID) (*classifier.Model, string) {
	state := m.State()
	a, there, err := document[activeState](state, activeKind, tenant, activeID)
	if err != nil || !there || a.ID == "" {
		return nil, ""
	}
	active, version := state.Document(activeKind, tenant, activeID).Version, state.Document(modelKind, tenant, a.ID).Version
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.decoded[tenant]; ok && known.active == active && known.version == version {
		return known.model, known.id
	}
	one, _, err := document[models.Model](state, modelKind, tenant, a.ID)
	if err != nil {
		one.Classifier = nil // a later version wrote it: nothing is labelled here
	}
	if m.decoded == nil {
		m.decoded = map[model.TenantID]decodedModel{}
	}
	if _, ok := m.decoded[tenant]; !ok && len(m.decoded) >= decodedMax {
		for other := range m.decoded {
			delete(m.decoded, other)
			break
		}
	}
	m.decoded[tenant] = decodedModel{active, version, a.ID, one.Classifier}
	return one.Classifier, a.ID
}

// SaveModel implements models.Desk.
func (m *Models) SaveModel(ctx context.Context, tenant model.TenantID, fresh models.Model) (models.Model, error) {
	fresh.By = authorOf(fresh.By)
	err := m.change(ctx, tenant, func(state *catalogue.State, put func(string, string, any) error) error {
		a, _, err := document[activeState](state, activeKind, tenant, activeID)
		if err != nil {
			return err
		}
		a.Last++
		fresh.ID = fmt.Sprintf("%s%06d", modelPrefix, a.Last)
		ids := state.DocumentIDs(modelKind, tenant)
		for len(ids) >= models.ModelsMax { // the one that is active, and the one before it, stay
			gone := slices.IndexFunc(ids, func(id string) bool { return id != a.ID && (len(a.Before) == 0 || id != a.Before[0]) })
			if err := put(modelKind, ids[gone], nil); err != nil {
				return err
			}
			ids = slices.Delete(ids, gone, gone+1)
		}
		if err := put(modelKind, fresh.ID, &fresh); err != nil {
			return err
		}
		return put(activeKind, activeID, &a)
	})
	return fresh, err
}

// DropModel implements models.Desk.
func (m *Models) DropModel(ctx context.Context, tenant model.TenantID, id string) error {
	return m.change(ctx, tenant, func(state *catalogue.State, put func(string, string, any) error) error {
		a, _, err := document[activeState](state, activeKind, tenant, activeID)
		switch {
		case err != nil:
			return err
		case a.ID == id:
			return admin.Fault(admin.Refused, "", "model %s is active: activate another one, or roll back, first", id)
		case state.Document(modelKind, tenant, id).Version == 0:
			return unknown("model", id)
		}
		return put(modelKind, id, nil)
	})
}

// Activate implements models.Desk.
func (m *Models) Activate(ctx context.Context, tenant model.TenantID, id string) (models.Active, error) {
	return m.switched(ctx, tenant, id, func(state *catalogue.State, a *activeState) error {
		if state.Document(modelKind, tenant, id).Version == 0 {
			return unknown("model", id)
		}
		if a.ID != id {
			if a.ID != "" {
				a.Before = append([]string{a.ID}, a.Before[:min(len(a.Before), beforeMax-1)]...)
			}
			a.ID = id
		}
		return nil
	})
}

// Rollback implements models.Desk. Models that have gone meanwhile are skipped; before the
// first there is none.
func (m *Models) Rollback(ctx context.Context, tenant model.TenantID, id string) (models.Active, error) {
	return m.switched(ctx, tenant, id, func(state *catalogue.State, a *activeState) error {
		switch {
		case state.Document(modelKind, tenant, id).Version == 0:
			return unknown("model", id)
		case a.ID != id:
			return admin.Fault(admin.Refused, "", "model %s is not active, %s is", id, orNone(a.ID))
		}
		a.ID = ""
		for a.ID == "" && len(a.Before) > 0 {
			if state.Document(modelKind, tenant, a.Before[0]).Version != 0 {
				a.ID = a.Before[0]
			}
			a.Before = a.Before[1:]
		}
		return nil
	})
}

func orNone(id string) string {
	if id == "" {
		return "none"
	}
	return id
}

func (m *Models) switched(ctx context.Context, tenant model.TenantID, id string, how func(*catalogue.State, *activeState) error) (models.Active, error) {
	var a activeState
	err := m.change(ctx, tenant, func(state *catalogue.State, put func(string, string, any) error) (err error) {
		if a, _, err = document[activeState](state, activeKind, tenant, activeID); err != nil {
			return err
		}
		if err := how(state, &a); err != nil {
			return err
		}
		return put(activeKind, activeID, &a)
	})
	return a.Active, err
}

// Labels implements models.Desk.
func (m *Models) Labels(tenant model.TenantID) (found []models.Label) {
	state := m.State()
	for _, id := range state.DocumentIDs(labelKind, tenant) {
		if one, there, err := document[models.Label](state, labelKind, tenant, id); there && err == nil {
			found = append(found, one)
		}
	}
	return found
}

// PutLabel implements models.Desk. There is one label of texts that are alike.
func (m *Models) PutLabel(ctx context.Context, tenant model.TenantID, l models.Label) (models.Label, error) {
	sum := sha256.Sum256([]byte(l.Outline))
	l.ID, l.By = labelPrefix+hex.EncodeToString(sum[:8]), authorOf(l.By)
	return l, m.change(ctx, tenant, func(state *catalogue.State, put func(string, string, any) error) error {
		if kept, _ := state.DocumentsOf(labelKind, tenant); kept >= models.LabelsMax && state.Document(labelKind, tenant, l.ID).Version == 0 {
			return admin.Fault(admin.Refused, "", "the tenant has %d labels, the most there can be: take some back with DELETE /models/labels/{id}", kept)
		}
		return put(labelKind, l.ID, &l)
	})
}

// DropLabel implements models.Desk.
func (m *Models) DropLabel(ctx context.Context, tenant model.TenantID, id string) (gone models.Label, err error) {
	err = m.change(ctx, tenant, func(state *catalogue.State, put func(string, string, any) error) (err error) {
		var there bool
		if gone, there, err = document[models.Label](state, labelKind, tenant, id); err != nil || !there {
			return errors.Join(err, unknown("label", id))
		}
		return put(labelKind, id, nil)
	})
	return gone, err
}
