package enrich_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/consumption"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
	"github.com/stere-log/stere/node/enrich"
	"github.com/stere-log/stere/query"
)

// TestResources makes resources of what is written down: days in their places, those that
// nobody knows of left open, nothing of nodes that have gone.
func TestResources(t *testing.T) {
	store, a := newStore(t)
	store.State = a.newest
	now := time.Date(2026, 3, 10, 15, 0, 0, 0, time.UTC)
	var fault error
	book := consumption.New(consumption.Config{Node: "n", Search: func(_ context.Context, request query.Request) (*query.Result, error) {
		result := &query.Result{Complete: true}
		switch {
		case fault != nil:
			return nil, fault
		case strings.HasPrefix(request.Text, "kind:=usage tenant:=\"shop\""):
			result.Rows = [][]any{{"shop", "2026-03-08", int64(5), int64(50), int64(1), int64(1)}, {"shop", "2026-03-10", int64(6), int64(60), int64(1), int64(1)}}
		case strings.HasPrefix(request.Text, "kind:=stored tenant:=\"shop\""):
			result.Rows = [][]any{{"shop", "2026-03-07", int64(1), int64(100)}, {"shop", "2026-03-07", int64(2), int64(11)}, {"shop", "2026-03-10", int64(1), int64(200)}}
		case strings.HasPrefix(request.Text, "kind:=disk"):
			result.Rows = [][]any{{"00000000000000aa", "2026-03-09", int64(7), int64(90)}, {"00000000000000aa", "2026-03-10", int64(8), int64(91)}, {"gone", "2026-03-10", int64(9), int64(90)}}
		}
		return result, nil
	}})
	terms := access.Terms{LogsPerDay: new(int64)}
	*terms.LogsPerDay = 77
	known := enrich.Known{Store: store, Book: book, Now: func() time.Time { return now }, Account: func(tenant model.TenantID) (access.Account, bool) {
		return access.Account{ID: tenant, Plan: access.Basic, Terms: terms}, tenant == "shop"
	}}
	for _, c := range []struct {
		tenant model.TenantID
		disks  bool
		want   string
	}{
		{"shop", true, "quota maxStorageBytes [111 NaN NaN 200] 1073741824; quota maxLogsPerDay [0 5 0] 77; quota maxBytesPerDay [0 50 0] 10240000; disk a [7 8] 91"},
		{"shop", false, "quota maxStorageBytes [111 NaN NaN 200] 1073741824; quota maxLogsPerDay [0 5 0] 77; quota maxBytesPerDay [0 50 0] 10240000"},
		{"none", true, "disk a [7 8] 91"}, {"none", false, ""},
	} {
		resources, err := known.Resources(t.Context(), c.tenant, c.disks)
		var have []string
		for _, r := range resources {
			have = append(have, fmt.Sprint(r.Kind, " ", r.Name, " ", r.Used, " ", int64(r.Limit)))
		}
		if text := strings.Join(have, "; "); err != nil || text != c.want {
			t.Errorf("%s: %v\nhave %s\nwant %s", c.tenant, err, text, c.want)
		}
	}
	fault = errors.New("no answer")
	for _, tenant := range []model.TenantID{"shop", "none"} {
		if _, err := known.Resources(t.Context(), tenant, true); err == nil {
			t.Errorf("%s: no error", tenant)
		}
	}
	known.Book = nil
	if resources, err := known.Resources(t.Context(), "shop", true); resources != nil || err != nil {
		t.Errorf("without a book: %v, %v", resources, err)
	}
}
