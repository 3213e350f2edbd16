package admin

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/client"
)

// Usage is stere admin usage.
type Usage struct {
	Remote
	Tenant string `help:"Of one tenant (default: all)." placeholder:"TENANT"`
	From   string `help:"The first day (default: 29 days before the last)." placeholder:"DAY"`
	To     string `help:"The last day, of UTC (default: today)." placeholder:"DAY"`
	Days   bool   `help:"Day by day instead of the sums."`
}

// Run reports.
func (c *Usage) Run(w World) error {
	return run(w, c.Remote, func(ctx context.Context, node *client.Client) (v1.Usage, error) {
		return node.Usage(ctx, c.Tenant, c.From, c.To)
	},
		func(out io.Writer, report v1.Usage) {
			cost := "COST"
			if report.Currency != "" {
				cost += " " + report.Currency
			}
			line := func(name, day string, f v1.UsageFigures) {
				number := func(n int64) string { return strconv.FormatInt(n, 10) }
				row(out, name, day, number(f.Lines), number(f.BytesIn), number(f.BytesStored), number(f.Queries), number(f.BytesRead), fmt.Sprintf("%.2f", f.Cost))
			}
			row(out, "TENANT", "DAY", "LINES", "BYTES IN", "STORED", "QUERIES", "BYTES READ", cost)
			if c.Days {
				for _, d := range report.Days {
					line(d.Tenant, d.Day, d.UsageFigures)
				}
				return
			}
			for _, t := range report.Tenants {
				line(t.Tenant, fmt.Sprintf("%d of %s to %s", t.Days, report.From, report.To), t.UsageFigures)
			}
			for _, t := range report.Tenants {
				for _, name := range slices.Sorted(maps.Keys(t.Quotas)) {
					if q := t.Quotas[name]; q.Near {
						row(out, t.Tenant, "today", fmt.Sprintf("%d %% of %s", q.Percent, name))
					}
				}
			}
		})
}
