package enrich

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/api/enrich"
	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/model"
)

// All categories of a tenant's own are one document: what they may be together is known
// when one of them is changed.
const (
	kindCategories = "categories"
	categoriesID   = "own"
	// categoriesBytes is how much those of all tenants take: what else is kept needs room.
	categoriesBytes = 8 << 20
	// categoriesVersion is the form of what is kept.
	categoriesVersion = 1
)

// keptCategories is the document.
type keptCategories struct {
	Version    int               `json:"version"` // of the form
	Categories []enrich.Category `json:"categories"`
}

// knownWords are the words of a tenant as they are used.
type knownWords struct {
	version uint64
	words   *meaning.Lexicon
}

// readCategories returns the categories of a tenant's own, by name, and the version of the
// document; version 0: there are none.
func readCategories(state *catalogue.State, tenant model.TenantID) ([]enrich.Category, uint64, error) {
	document := state.Document(kindCategories, tenant, categoriesID)
	if document.Version == 0 {
		return nil, 0, nil
	}
	var kept keptCategories
	if err := json.Unmarshal(document.Body, &kept); err != nil || kept.Version != categoriesVersion {
		return nil, document.Version, errors.New("the categories of the tenant were stored by another version of Stere, or are damaged")
	}
	return kept.Categories, document.Version, nil
}

// lexiconOf returns the built-in words with those of categories.
func lexiconOf(categories []enrich.Category) (*meaning.Lexicon, error) {
	own := make([]meaning.Vocabulary, len(categories))
	for i := range categories {
		own[i] = categories[i].Vocabulary
	}
	return meaning.NewLexicon(own)
}

// Words returns the words that decide the categories of a tenant's records, nil if those
// are the built-in ones alone.
func (s *Store) Words(tenant model.TenantID) *meaning.Lexicon {
	state := s.State()
	version := state.Document(kindCategories, tenant, categoriesID).Version
	if version == 0 {
		return nil
	}
	s.mu.Lock()
	known := s.words[tenant]
	s.mu.Unlock()
	if known.version == version {
		return known.words
	}
	// What cannot be read was written by a later version, and decides nothing here.
	var words *meaning.Lexicon
	if categories, _, err := readCategories(state, tenant); err == nil {
		words, _ = lexiconOf(categories)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.words == nil || len(s.words) >= decodedMax {
		s.words = map[model.TenantID]knownWords{}
	}
	s.words[tenant] = knownWords{version, words}
	return words
}

// Categories implements enrich.Store.
func (s *Store) Categories(tenant model.TenantID) ([]enrich.Category, error) {
	categories, _, err := readCategories(s.State(), tenant)
	return categories, err
}

// PutCategory implements enrich.Store.
func (s *Store) PutCategory(ctx context.Context, tenant model.TenantID, category enrich.Category) (before *enrich.Category, err error) {
	err = s.editCategories(ctx, tenant, func(all []enrich.Category) ([]enrich.Category, error) {
		at, there := find(all, category.Category)
		if before = nil; there {
			before = &all[at]
			all = slices.Delete(slices.Clone(all), at, at+1)
		}
		return slices.Insert(slices.Clone(all), at, category), nil
	})
	return before, err
}

// DropCategory implements enrich.Store.
func (s *Store) DropCategory(ctx context.Context, tenant model.TenantID, name meaning.Category) (gone enrich.Category, err error) {
	err = s.editCategories(ctx, tenant, func(all []enrich.Category) ([]enrich.Category, error) {
		at, there := find(all, name)
		if !there {
			return nil, admin.Fault(admin.Unknown, "name", "the tenant has added nothing to a category %.80q", name)
		}
		gone = all[at]
		return slices.Delete(slices.Clone(all), at, at+1), nil
	})
	return gone, err
}

// find returns where the category of a name is, or would be.
func find(all []enrich.Category, name meaning.Category) (at int, there bool) {
	return slices.BinarySearchFunc(all, name, func(c enrich.Category, name meaning.Category) int {
		return strings.Compare(string(c.Category), string(name))
	})
}

// editCategories changes the categories of a tenant.
func (s *Store) editCategories(ctx context.Context, tenant model.TenantID, change func(all []enrich.Category) ([]enrich.Category, error)) error {
	return s.edit(ctx, func(state *catalogue.State) ([]catalogue.DocumentChange, error) {
		all, version, err := readCategories(state, tenant)
		if err != nil {
			return nil, err
		}
		next, err := change(all)
		if err != nil {
			return nil, err
		}
		changed := catalogue.DocumentChange{Kind: kindCategories, Tenant: tenant, ID: categoriesID, If: version, Drop: len(next) == 0}
		if !changed.Drop {
			if changed.Body, err = json.Marshal(keptCategories{categoriesVersion, next}); err != nil {
				return nil, fmt.Errorf("encode categories: %w", err)
			}
		}
		if len(next) >= len(all) { // else they take less
			if err := roomForCategories(state, tenant, next, len(changed.Body)); err != nil {
				return nil, err
			}
		}
		return []catalogue.DocumentChange{changed}, nil
	})
}

// roomForCategories reports why categories cannot be stored.
func roomForCategories(state *catalogue.State, tenant model.TenantID, next []enrich.Category, bytes int) error {
	var fault *meaning.Fault
	if _, err := lexiconOf(next); errors.As(err, &fault) {
		return admin.Fault(admin.Invalid, fault.Field, "%s; forget others first", fault.Message)
	} else if err != nil {
		return err
	}
	if bytes > catalogue.DocumentMax {
		return admin.Fault(admin.Invalid, "words", "the categories of the tenant would have %d bytes, at most %d; forget others first", bytes, catalogue.DocumentMax)
	}
	all := bytes
	for _, other := range state.DocumentTenants(kindCategories) {
		if other != tenant {
			_, used := state.DocumentsOf(kindCategories, other)
			all += used
		}
	}
	if all > categoriesBytes {
		return admin.Fault(admin.Invalid, "words", "the categories of all tenants would have %d bytes, at most %d", all, categoriesBytes)
	}
	return nil
}
