package enrich_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/api/admin"
	api "github.com/stere-log/stere/api/enrich"
	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node/enrich"
	"github.com/stere-log/stere/query/lookup"
)

// agreement is what nodes agree on; a store sees it late, as nodes do.
type agreement struct {
	states []*catalogue.State // the newest last
	random *rand.Rand
}

type none struct{}

func (none) Load() ([]byte, error) { return nil, nil }
func (none) Save([]byte) error     { return nil }

// newStore returns a store over an agreement.
func newStore(t *testing.T) (*enrich.Store, *agreement) {
	t.Helper()
	cat, err := catalogue.Open(catalogue.Config{Store: none{}})
	if err != nil {
		t.Fatal(err)
	}
	a := &agreement{states: []*catalogue.State{cat.State()}, random: rand.New(rand.NewPCG(5, 6))}
	_, err = a.change(t.Context(), catalogue.Init{Cluster: "00000000000000cc", Shards: 1, Time: 1, Node: catalogue.Node{
		ID: "00000000000000aa", Name: "a", Address: "10.0.0.1:7000", Version: "1", Formats: catalogue.Formats{Min: 1, Max: catalogue.Format}}})
	if err != nil {
		t.Fatal(err)
	}
	return &enrich.Store{State: a.late, Change: a.change}, a
}

// late is a state of not long ago.
func (a *agreement) late() *catalogue.State {
	return a.states[max(1, len(a.states)-1-a.random.IntN(2))]
}

func (a *agreement) newest() *catalogue.State { return a.states[len(a.states)-1] }

func (a *agreement) change(_ context.Context, command catalogue.Command) (*catalogue.State, error) {
	last := a.newest()
	decoded, err := catalogue.Decode(catalogue.Encode(command)) // as it travels
	if err != nil {
		return nil, err
	}
	next, err := last.Apply(last.Index+1, decoded)
	if err != nil {
		return nil, err
	}
	a.states = append(a.states, next)
	return next, nil
}

// table returns one of so many rows, of which the value says the number of the version.
func table(t *testing.T, rows, version int) *lookup.Table {
	t.Helper()
	var text strings.Builder
	text.WriteString("host,owner\n")
	for i := range rows {
		fmt.Fprintf(&text, "h%d,v%d %s\n", i, version, strings.Repeat("x", 20))
	}
	made, err := lookup.ParseCSV([]byte(text.String()), "")
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// isUnknown reports whether an error says that there is no such thing.
func isUnknown(err error) bool {
	var fault *admin.Error
	return errors.As(err, &fault) && fault.Code == admin.Unknown
}

// TestTablesAreWhole stores tables that become larger and smaller, and reads them whole
// after each change, by a store that saw others before.
func TestTablesAreWhole(t *testing.T) {
	store, a := newStore(t)
	reader := &enrich.Store{State: a.newest, Change: a.change}
	random := rand.New(rand.NewPCG(1, 2))
	for version := range 20 {
		tenant := model.TenantID(fmt.Sprint("t", random.IntN(2)))
		want := table(t, 1+random.IntN(9_000), version)
		about, err := store.PutLookup(t.Context(), tenant, api.Lookup{Name: "hosts", By: "kim", Changed: time.Unix(9, 0).UTC()}, want)
		if err != nil || about.Rows != len(want.Rows) {
			t.Fatalf("%+v, %v", about, err)
		}
		said, have, err := reader.Lookup(tenant, "hosts")
		if err != nil || !slices.EqualFunc(have.Rows, want.Rows, slices.Equal) || said.By != "kim" || said.Bytes != len(want.Encode()) {
			t.Fatalf("version %d: %d rows, want %d: %v", version, len(have.Rows), len(want.Rows), err)
		}
		if ids := a.newest().DocumentIDs("lookup", tenant); len(ids) != 1+(said.Bytes+60<<10-1)/(60<<10) {
			t.Fatalf("documents of %d bytes: %v", said.Bytes, ids)
		}
	}
	if names := reader.Names("t0"); !slices.Equal(names, []string{"hosts"}) || reader.Names("t2") != nil {
		t.Errorf("names %v, %v", names, reader.Names("t2"))
	}
	if table, err := reader.Table("t2", "hosts"); table != nil || err != nil {
		t.Errorf("another tenant has %v, %v", table, err)
	}
	if gone, err := store.DropLookup(t.Context(), "t0", "hosts"); err != nil || gone.Name != "hosts" || len(a.newest().DocumentIDs("lookup", "t0")) > 0 {
		t.Errorf("dropped %+v, %v; left: %v", gone, err, a.newest().DocumentIDs("lookup", "t0"))
	}
	for _, name := range []string{"hosts", "hosts:0", "", "..:"} {
		if _, err := reader.DropLookup(t.Context(), "t0", name); !isUnknown(err) {
			t.Errorf("%q: %v", name, err)
		}
		if _, _, err := reader.Lookup("t0", name); !isUnknown(err) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestRoomForTables fills the place of a tenant, and that of all.
func TestRoomForTables(t *testing.T) {
	store, a := newStore(t)
	store.State = a.newest
	tables := map[int]*lookup.Table{1: table(t, 1, 1), 2: table(t, 2, 1), 9_000: table(t, 9_000, 1)}
	put := func(tenant, name string, rows int) error {
		_, err := store.PutLookup(t.Context(), model.TenantID(tenant), api.Lookup{Name: name}, tables[rows])
		return err
	}
	for i := range 64 {
		if err := put("small", fmt.Sprint("t", i), 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := put("small", "t64", 1); err == nil {
		t.Error("a tenant has 65 tables")
	}
	if err := put("small", "t63", 2); err != nil {
		t.Errorf("a table cannot be replaced: %v", err)
	}
	full := 0
	for i := range 100 {
		if put(fmt.Sprint("big", i/8), fmt.Sprint("t", i%8), 9_000) != nil {
			full++
		}
	}
	bytes := 0
	for _, tenant := range a.newest().DocumentTenants("lookup") {
		_, used := a.newest().DocumentsOf("lookup", tenant)
		bytes += used
	}
	if full == 0 || bytes > 22<<20 {
		t.Errorf("%d tables were refused, %d bytes are stored", full, bytes)
	}
	// Those that were first have not taken the room of all: there is some for others.
	for i := range 10 {
		if err := put(fmt.Sprint("late", i), "t", 9_000); err != nil {
			t.Errorf("tenant %d has no room: %v", i, err)
		}
		if err := put(fmt.Sprint("late", i), "more", 9_000); err == nil {
			t.Errorf("tenant %d has more than its part", i)
		}
	}
	if err := put("big0", "t0", 2); err != nil {
		t.Errorf("a table cannot be replaced by a smaller one: %v", err)
	}
}

// TestCategories puts and drops categories at random: each tenant has its own, and the
// words that another node uses are those that are kept.
func TestCategories(t *testing.T) {
	store, a := newStore(t)
	store.State = a.newest
	reader := &enrich.Store{State: a.newest, Change: a.change}
	random := rand.New(rand.NewPCG(3, 4))
	want := map[model.TenantID]map[meaning.Category]string{"t0": {}, "t1": {}}
	for i := range 200 {
		tenant, name := model.TenantID(fmt.Sprint("t", random.IntN(2))), meaning.Category(fmt.Sprint("c", random.IntN(4)))
		word := "q" + strings.Repeat("xy", 1+random.IntN(5))
		old, there := want[tenant][name]
		if random.IntN(3) > 0 {
			before, err := store.PutCategory(t.Context(), tenant, api.Category{Vocabulary: meaning.Vocabulary{Category: name, Words: []string{word}, Weight: 3}})
			if err != nil || (before != nil) != there || there && before.Words[0] != old {
				t.Fatalf("step %d: before %+v, want %q, %v", i, before, old, err)
			}
			want[tenant][name] = word
		} else {
			gone, err := store.DropCategory(t.Context(), tenant, name)
			if isUnknown(err) == there || there && (err != nil || gone.Words[0] != old) {
				t.Fatalf("step %d: dropped %+v, want %q, %v", i, gone, old, err)
			}
			delete(want[tenant], name)
		}
		for tenant, categories := range want {
			have, err := reader.Categories(tenant)
			words := reader.Words(tenant)
			if err != nil || len(have) != len(categories) || (words == nil) != (len(categories) == 0) {
				t.Fatalf("step %d: %s has %+v and words %t, want %v, %v", i, tenant, have, words != nil, categories, err)
			}
			for _, one := range have {
				if categories[one.Category] != one.Words[0] || words.Evidence(one.Words[0]) != one.Words[0] {
					t.Fatalf("step %d: %s of %s has the words %v, want %s", i, one.Category, tenant, one.Words, categories[one.Category])
				}
			}
		}
	}
}

// TestRoomForCategories fills the place of a tenant.
func TestRoomForCategories(t *testing.T) {
	store, a := newStore(t)
	store.State = a.newest
	put := func(name string, words, components int) error {
		v := meaning.Vocabulary{Category: meaning.Category(name), Weight: 3}
		for i := range words {
			v.Words = append(v.Words, "q"+string([]byte{'g' + byte(i/100), 'g' + byte(i/10%10), 'g' + byte(i%10)}))
		}
		for i := range components {
			v.Components = append(v.Components, fmt.Sprintf("%0100d", i))
		}
		_, err := store.PutCategory(t.Context(), "t", api.Category{Vocabulary: v})
		return err
	}
	refused := func(err error, want string) {
		t.Helper()
		var fault *admin.Error
		if !errors.As(err, &fault) || fault.Code != admin.Invalid || fault.Field != "words" || !strings.Contains(fault.Message, want) {
			t.Errorf("%v, want one with %s", err, want)
		}
	}
	for i := range 32 {
		if err := put(fmt.Sprint("c", i), 1, 0); err != nil {
			t.Fatal(err)
		}
	}
	refused(put("c32", 1, 0), "33 categories")
	if err := put("c31", 969, 0); err != nil {
		t.Errorf("a category cannot be replaced: %v", err)
	}
	refused(put("c30", 2, 0), "1001 words")
	refused(put("c31", 0, 900), "bytes, at most 65536")
	if _, err := store.DropCategory(t.Context(), "t", "c31"); err != nil {
		t.Error(err)
	}
	if err := put("c32", 1, 0); err != nil {
		t.Errorf("no room after one was dropped: %v", err)
	}
}

// TestDeploys keeps the newest deployments, for each tenant its own.
func TestDeploys(t *testing.T) {
	store, a := newStore(t)
	store.State = a.newest
	for i := range 1_005 {
		deploy, err := store.PutDeploy(t.Context(), "t", insight.Deploy{Service: "web", Version: fmt.Sprint(i), Time: time.Unix(int64(i), 0).UTC()})
		if err != nil || deploy.ID == "" {
			t.Fatalf("%+v, %v", deploy, err)
		}
	}
	have := store.Deploys("t")
	if len(have) != 1_000 || have[0].Version != "1004" || have[999].Version != "5" || len(store.Deploys("u")) > 0 {
		t.Fatalf("%d deployments, the newest is %+v", len(have), have[0])
	}
	if gone, err := store.DropDeploy(t.Context(), "t", have[3].ID); err != nil || gone != have[3] || len(store.Deploys("t")) != 999 {
		t.Errorf("dropped %+v, %v", gone, err)
	}
	if _, err := store.DropDeploy(t.Context(), "u", have[4].ID); !isUnknown(err) {
		t.Errorf("dropped that of another tenant: %v", err)
	}
}
