package enrich

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/stere-log/stere/consumption"
	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
)

// Known is what is known of tenants besides their records; it implements insight.Known.
type Known struct {
	*Store
	Book    *consumption.Book // nil: what is used is not counted
	Account func(tenant model.TenantID) (access.Account, bool)
	Now     func() time.Time
}

var _ insight.Known = Known{}

// daysBack is how many days say how something goes.
const daysBack = 35

// Resources implements insight.Known.
func (k Known) Resources(ctx context.Context, tenant model.TenantID, disks bool) (found []insight.Resource, err error) {
	if k.Book == nil {
		return nil, nil
	}
	now := k.Now().UTC()
	from := now.AddDate(0, 0, 1-daysBack)
	if account, agreed := k.Account(tenant); agreed {
		days, err := k.Book.Days(ctx, tenant, from, now)
		if err != nil {
			return nil, err
		}
		found = append(found, quotas(account.All(), days, from)...)
	}
	if !disks {
		return found, nil
	}
	days, err := k.Book.Disks(ctx, from, now)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for id, node := range k.State().Nodes {
		names[id] = cmp.Or(node.Name, id)
	}
	for node := range slices.Values(slices.Compact(nodesOf(days))) {
		name, there := names[node]
		if !there {
			continue // it has gone
		}
		disk := insight.Resource{Kind: insight.DiskResource, Name: name, Unit: "bytes", Used: unknownDays(daysBack)}
		for _, day := range days {
			if day.Node == node {
				disk.Used[place(from, day.Date)], disk.Limit = float64(day.Used), float64(day.Limit)
			}
		}
		disk.Used = begun(disk.Used)
		found = append(found, disk)
	}
	return found, nil
}

// nodesOf returns the nodes of days, which are in their order.
func nodesOf(days []consumption.DiskDay) (nodes []string) {
	for _, day := range days {
		nodes = append(nodes, day.Node)
	}
	return nodes
}

// quotas are what is agreed with a tenant and what it used of it.
func quotas(terms access.Terms, days []consumption.Day, from time.Time) []insight.Resource {
	stored, records, bytes := unknownDays(daysBack), unknownDays(daysBack), unknownDays(daysBack)
	for _, day := range days {
		at := place(from, day.Date)
		if day.Stored > 0 { // else nothing was said of it on that day
			stored[at] = float64(day.Stored)
		}
		records[at], bytes[at] = float64(day.Lines), float64(day.BytesIn)
	}
	// Today is not over; of a day of which nothing was written down nothing came.
	records, bytes = all(records[:daysBack-1]), all(bytes[:daysBack-1])
	return []insight.Resource{
		{Kind: insight.QuotaResource, Name: "maxStorageBytes", Unit: "bytes", Used: begun(stored), Limit: float64(*terms.StorageBytes)},
		{Kind: insight.QuotaResource, Name: "maxLogsPerDay", Unit: "records a day", Daily: true, Used: records, Limit: float64(*terms.LogsPerDay)},
		{Kind: insight.QuotaResource, Name: "maxBytesPerDay", Unit: "bytes a day", Daily: true, Used: bytes, Limit: float64(*terms.BytesPerDay)},
	}
}

// unknownDays returns days of which nothing is known.
func unknownDays(n int) []float64 { return slices.Repeat([]float64{math.NaN()}, n) }

// begun leaves out the days before the first of which something is known.
func begun(days []float64) []float64 {
	first := slices.IndexFunc(days, func(v float64) bool { return !math.IsNaN(v) })
	if first < 0 {
		return nil
	}
	return days[first:]
}

// all returns the days since the first of which something is known, 0 where nothing is.
func all(days []float64) []float64 {
	days = begun(days)
	for i, v := range days {
		if math.IsNaN(v) {
			days[i] = 0
		}
	}
	return days
}

// place returns which of the days from one on a date is.
func place(from time.Time, date string) int {
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return 0
	}
	return min(max(int(day.Sub(from.Truncate(24*time.Hour))/(24*time.Hour)), 0), daysBack-1)
}
