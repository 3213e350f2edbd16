package insight

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stere-log/stere/anomaly"
	"github.com/stere-log/stere/model"
)

// Deploy says that something was put into service.
type Deploy struct {
	ID          string    `json:"id"`
	Service     string    `json:"service"` // as the component of its records
	Version     string    `json:"version,omitempty"`
	Environment string    `json:"environment,omitempty"`
	Note        string    `json:"note,omitempty"`
	Time        time.Time `json:"time"`
	By          string    `json:"by,omitempty"`
}

// Limits of a deployment.
const (
	deployTextMax = 128
	deployNoteMax = 1_000
	deployAhead   = 5 * time.Minute // that a clock may be wrong
)

// Check says what is wrong with a deployment.
func (d *Deploy) Check(now time.Time) error {
	for _, text := range [...]struct {
		name, text string
		least      int
		most       int
	}{{"service", d.Service, 1, deployTextMax}, {"version", d.Version, 0, deployTextMax}, {"environment", d.Environment, 0, deployTextMax}, {"note", d.Note, 0, deployNoteMax}} {
		if n := len(text.text); n < text.least || n > text.most || !utf8.ValidString(text.text) || slices.ContainsFunc([]rune(text.text), unicode.IsControl) {
			return fmt.Errorf("%s has %d bytes, want %d to %d of UTF-8 without control characters", text.name, n, text.least, text.most)
		}
	}
	if d.Time.Year() < 2000 || d.Time.After(now.Add(deployAhead)) {
		return fmt.Errorf("time is %s, want one that is over, after 2000", d.Time.Format(time.RFC3339))
	}
	return nil
}

// what names a deployment in explanations.
func (d *Deploy) what() string {
	return strings.Join(slices.DeleteFunc([]string{d.Service, d.Version, d.Environment}, func(text string) bool { return text == "" }), " ")
}

// Known is what is known of a tenant besides its records. It is safe for concurrent use.
type Known interface {
	// Deploys returns what was put into service, the newest first.
	Deploys(tenant model.TenantID) []Deploy
	// Resources returns what of a tenant has a limit, and with disks the disks of the nodes.
	Resources(ctx context.Context, tenant model.TenantID, disks bool) ([]Resource, error)
}

// Resource is something of which there is so much, and how much was taken of it.
type Resource struct {
	Kind  string // disk, quota
	Name  string // of a node, or of a term of the tenant's plan
	Unit  string // bytes, records, bytes a day
	Daily bool   // Used is what came on each day that is over; else what there was at its end, the last one is now
	Used  []float64
	Limit float64
}

// The kinds of resources.
const (
	DiskResource  = "disk"
	QuotaResource = "quota"
)

// Capacity is when a resource comes to its limit.
type Capacity struct {
	Resource      string   `json:"resource"` // disk, quota
	Name          string   `json:"name"`
	Unit          string   `json:"unit"`
	Used          *float64 `json:"used"`
	Limit         float64  `json:"limit"`
	Enough        bool     `json:"enough"` // else there are too few days, and no figure
	PerDay        *float64 `json:"perDay"` // by which it grows; null without days enough
	Days          *int     `json:"days"`   // until the limit is reached; null: not within a year
	Earliest      *int     `json:"earliest"`
	Latest        *int     `json:"latest"` // nine times in ten it is between the two
	BacktestError *float64 `json:"backtestError"`
	Backtests     int      `json:"backtests"`
}

// Thresholds of insights about capacity, in days.
const (
	capacitySoon  = 14
	capacityWorst = 3
)

// capacities tells when resources come to their limits.
func (f *finder) capacities(disks bool) (found []Capacity) {
	if f.known == nil || f.base.Restriction != "" { // it is of all records of the tenant
		return nil
	}
	resources, err := f.known.Resources(f.ctx, f.base.Tenant, disks)
	if err != nil {
		f.reasons = append(f.reasons, fmt.Sprintf("capacity is not told: %v", err))
		return nil
	}
	for _, r := range resources {
		reach := anomaly.Fills
		if r.Daily {
			reach = anomaly.Comes
		}
		told := reach(r.Used, r.Limit)
		c := Capacity{
			Resource: r.Kind, Name: r.Name, Unit: r.Unit, Limit: r.Limit, Enough: told.Enough,
			Days: days(told.Days), Earliest: days(told.Earliest), Latest: days(told.Latest), Backtests: told.Tests,
		}
		if told.Enough {
			c.PerDay, c.BacktestError = figure(told.PerDay), figure(told.Error)
		}
		for _, used := range r.Used {
			if !math.IsNaN(used) {
				c.Used = &used
			}
		}
		found = append(found, c)
		f.capacity(&c)
	}
	return found
}

// days returns a number of days, nil for none.
func days(n int) *int {
	if n < 0 {
		return nil
	}
	return &n
}

// capacity notes that a resource comes to its limit soon.
func (f *finder) capacity(c *Capacity) {
	severity := ""
	within := func(day *int, most int) bool { return day != nil && *day <= most }
	switch {
	case within(c.Days, 0):
		severity = Critical
	case within(c.Days, capacityWorst):
		severity = High
	case within(c.Days, capacitySoon), within(c.Earliest, capacityWorst):
		severity = Medium
	default:
		return
	}
	metadata := map[string]any{"used": c.Used, "limit": c.Limit, "perDay": c.PerDay, "days": c.Days, "earliest": c.Earliest, "latest": c.Latest, "backtestError": c.BacktestError}
	if c.Resource == DiskResource {
		f.add("disk_full_predicted", severity, c.Name, "*", metadata, "The disk of node %s has no more room for records %s: %.3g GB more are taken each day.", c.Name, c.when(), *c.PerDay/1e9)
		return
	}
	f.add("quota_predicted", severity, c.Name, "*", metadata, "%s, %s %s, is reached %s: it grows by %s each day.", c.Name, written(c.Limit), c.Unit, c.when(), written(*c.PerDay))
}

// written is a number as terms have it, without a power of ten.
func written(n float64) string {
	if math.Abs(n) < 10 {
		return fmt.Sprintf("%.2g", n)
	}
	return fmt.Sprintf("%.0f", n)
}

// when says in words when a limit is reached; the earliest day is known.
func (c *Capacity) when() string {
	about := "in more than a year"
	switch {
	case c.Days != nil && *c.Days == 0:
		return "now"
	case c.Days != nil:
		about = fmt.Sprintf("in about %d days", *c.Days)
	}
	if c.Latest == nil {
		return fmt.Sprintf("%s (%d at the earliest)", about, *c.Earliest)
	}
	return fmt.Sprintf("%s (%d to %d)", about, *c.Earliest, *c.Latest)
}

// Knowing returns a service that knows more.
func (s *Service) Knowing(known Known) *Service {
	other := *s
	other.known = known
	return &other
}
