package operator_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stere-log/stere/api"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node/operator"
)

// kept returns saved queries that are kept in memory.
func kept() operator.Queries {
	state := &catalogue.State{Queries: map[model.TenantID]map[string]catalogue.SavedQuery{}}
	return operator.Queries{
		State: func() *catalogue.State { return state },
		Propose: func(_ context.Context, command catalogue.Command) (*catalogue.State, error) {
			put := command.(catalogue.PutQuery)
			mine := maps.Clone(state.Queries[put.Tenant])
			if mine == nil {
				mine = map[string]catalogue.SavedQuery{}
			}
			mine[put.Query.Name] = put.Query
			state.Queries[put.Tenant] = mine
			return state, nil
		},
	}
}

// TestRoomOfTenants fills the room for saved queries from some tenants and checks
// that every other one can save what it is sure of, and no more.
func TestRoomOfTenants(t *testing.T) {
	for _, test := range []struct {
		tenants, queries, bytes int // of those who come first: all that they may
		sure, sureBytes         int
	}{
		{tenants: 32, queries: catalogue.QueriesOfTenantMax, bytes: 10, sure: 8, sureBytes: 10},
		{tenants: 40, queries: 60, bytes: 16 << 10, sure: 1, sureBytes: 16 << 10},
	} {
		all := kept()
		put := func(tenant, n, bytes int) error {
			query := v1.SavedQuery{Name: fmt.Sprintf("q%d", n), Query: strings.Repeat("a", bytes)}
			_, err := all.Put(t.Context(), model.TenantID(fmt.Sprintf("t%d", tenant)), query, false)
			return err
		}
		for tenant := range test.tenants {
			for n := range test.queries {
				if err := put(tenant, n, test.bytes); err != nil {
					if n < test.sure {
						t.Fatalf("%+v: query %d of tenant %d: %v", test, n, tenant, err)
					}
					break
				}
			}
		}
		for tenant := test.tenants; tenant < test.tenants+50; tenant++ {
			for n := range test.sure {
				if err := put(tenant, n, test.sureBytes); err != nil {
					t.Fatalf("%+v: query %d of tenant %d, who comes late: %v", test, n, tenant, err)
				}
			}
			if err := put(tenant, 0, test.sureBytes); err != nil {
				t.Errorf("%+v: one that is there cannot be changed: %v", test, err)
			}
			if err := put(tenant, test.sure, 32<<10); !errors.Is(err, api.ErrRefused) {
				t.Errorf("%+v: one more is saved: %v", test, err)
			}
		}
	}
}

// TestQueriesOfOneTenantAreBounded has many long ones.
func TestQueriesOfOneTenantAreBounded(t *testing.T) {
	all, saved := kept(), 0
	for n := range catalogue.QueriesOfTenantMax {
		_, err := all.Put(t.Context(), "a", v1.SavedQuery{Name: fmt.Sprint(n), Query: strings.Repeat("a", catalogue.QueryTextMax)}, false)
		if err == nil {
			saved++
		} else if !errors.Is(err, api.ErrRefused) {
			t.Fatal(err)
		}
	}
	if saved < 60 || saved > 64 {
		t.Errorf("%d queries of 16 KiB are saved, want what is in 1 MiB", saved)
	}
}

// TestLongAuthors checks that whoever may save does, whatever their name.
func TestLongAuthors(t *testing.T) {
	for _, name := range []string{"", "alice", strings.Repeat("ä", 2000), "a\x00b\nc", "\xff\xfe", strings.Repeat("a", catalogue.TextMax)} {
		query, err := kept().Put(t.Context(), "a", v1.SavedQuery{Name: "q", Query: "*", By: name}, true)
		if err != nil || len(query.By) > catalogue.TextMax || !utf8.ValidString(query.By) || strings.ContainsAny(query.By, "\x00\n") {
			t.Errorf("%.20q becomes %.20q of %d bytes, %v", name, query.By, len(query.By), err)
		}
		if utf8.ValidString(name) && len(name) <= catalogue.TextMax && !strings.ContainsAny(name, "\x00\n") && query.By != name {
			t.Errorf("%q becomes %q", name, query.By)
		}
	}
}
