package replica

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage"
)

// TestTrafficOfTenants: a day passes bit by bit, the largest are told, and
// however many tenants there are, what is counted is bounded and the largest
// stays.
func TestTrafficOfTenants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Replica{traffic: newTraffic()}
		put := func(tenant string, bytes int) {
			r.traffic.note(&storage.Append{Tenant: model.TenantID(tenant), Block: make([]byte, bytes)})
		}
		want := func(when, tenant string, bytes int64) {
			t.Helper()
			if got := r.Traffic().Tenants[model.TenantID(tenant)]; got != bytes {
				t.Errorf("%s: %d bytes of %s, want %d", when, got, tenant, bytes)
			}
		}
		put("big", 1000)
		time.Sleep(12 * time.Hour)
		put("big", 10)
		want("after half a day", "big", 1010)
		time.Sleep(12*time.Hour + time.Minute)
		want("after a day", "big", 10)
		for i := range 20 * tenantsCounted {
			put(fmt.Sprint("small-", i), 1)
			if i%100 == 0 {
				put("big", 1)
			}
			if n := len(r.traffic.mu.tenants); n > tenantsCounted {
				t.Fatalf("%d tenants are counted", n)
			}
		}
		want("beside many", "big", 10+20*tenantsCounted/100+1)
		if got := r.Traffic(); len(got.Tenants) != TenantsTold || got.Written != 1010+20*tenantsCounted+20*tenantsCounted/100+1 {
			t.Errorf("%d tenants, %d bytes", len(got.Tenants), got.Written)
		}
		time.Sleep(1000 * time.Hour)
		want("after long", "big", 0)
		if n := len(r.traffic.mu.tenants); n != 0 {
			t.Errorf("%d tenants are remembered that send nothing", n)
		}
	})
}
