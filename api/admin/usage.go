package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/consumption"
	"github.com/stere-log/stere/model"
)

// Prices are what is charged, in a currency of which it has the name.
type Prices struct {
	Currency  string
	In        float64 // for 10^9 bytes that come in
	Stored    float64 // for 10^9 bytes that are stored for 30 days
	Read      float64 // for 10^9 bytes of answers
	Questions float64 // for 1,000 of them
}

// Validate lists every fault.
func (p Prices) Validate() error {
	var faults []error
	for name, price := range map[string]float64{"in": p.In, "stored": p.Stored, "read": p.Read, "questions": p.Questions} {
		if !(price >= 0 && price <= 1e9) {
			faults = append(faults, fmt.Errorf("the price %s is %v, want 0 to 1e9", name, price))
		}
	}
	return errors.Join(faults...)
}

// of returns what a day costs.
func (p Prices) of(d *consumption.Day) float64 {
	return (p.In*float64(d.BytesIn)+p.Stored/30*float64(d.Stored)+p.Read*float64(d.BytesRead))/1e9 + p.Questions*float64(d.Queries)/1000
}

// dates reads the days of a report.
func (s *Service) dates(r Request) (from, to time.Time, err error) {
	today := s.Now().UTC().Truncate(24 * time.Hour)
	read := func(name string, fallback time.Time) time.Time {
		text := r.Param(name)
		if text == "" {
			return fallback
		}
		at, wrong := time.Parse(time.DateOnly, text)
		if wrong != nil {
			at, wrong = time.Parse(time.RFC3339, text)
		}
		if wrong != nil && err == nil {
			err = Fault(Invalid, name, "%.40q, want a day such as 2026-01-31", text)
		}
		return at.UTC().Truncate(24 * time.Hour)
	}
	to = read("to", today)
	from = read("from", to.AddDate(0, 0, -29))
	if err == nil && (to.Before(from) || to.Sub(from) >= consumption.DaysMax*24*time.Hour) {
		err = Fault(Invalid, "from", "%s to %s, want 1 to %d days", from.Format(time.DateOnly), to.Format(time.DateOnly), consumption.DaysMax)
	}
	return from, to, err
}

// Usage reports what a tenant used, or all, day by day and in sum, and what that
// costs.
func (s *Service) Usage(ctx context.Context, r Request) (Answer, error) {
	tenant := model.TenantID(r.Tenant)
	switch {
	case !all(r.Principal) && tenant == "":
		tenant = r.Principal.Tenant
	case tenant != "" && !administers(r.Principal, tenant):
		return Answer{}, Fault(Unknown, "tenant", "there is no tenant %.64q", r.Tenant)
	}
	if tenant != "" {
		if err := tenant.Validate(); err != nil {
			return Answer{}, Fault(Invalid, "tenant", "%v", err)
		}
	}
	from, to, err := s.dates(r)
	if err != nil {
		return Answer{}, err
	}
	if s.Book == nil {
		return Answer{}, Fault(Unknown, "", "this node does not count what is used: see usage in docs/configuration.md")
	}
	days, err := s.Book.Days(ctx, tenant, from, to)
	if err != nil {
		return Answer{}, err
	}
	report := v1.Usage{From: from.Format(time.DateOnly), To: to.Format(time.DateOnly), Currency: s.Prices.Currency, Days: []v1.UsageDay{}, Tenants: []v1.UsageSum{}}
	for i := range days {
		d, cost := &days[i], s.Prices.of(&days[i])
		figures := v1.UsageFigures{Lines: d.Lines, BytesIn: d.BytesIn, BytesStored: d.Stored, Queries: d.Queries, BytesRead: d.BytesRead, Cost: cost}
		report.Days = append(report.Days, v1.UsageDay{Tenant: string(d.Tenant), Day: d.Date, UsageFigures: figures})
		if n := len(report.Tenants); n == 0 || report.Tenants[n-1].Tenant != string(d.Tenant) {
			one := v1.UsageSum{Tenant: string(d.Tenant)}
			if s.Shares != nil {
				one.Quotas = s.Shares(d.Tenant)
			}
			report.Tenants = append(report.Tenants, one)
		}
		sum := &report.Tenants[len(report.Tenants)-1]
		sum.Days++
		sum.Lines += d.Lines
		sum.BytesIn += d.BytesIn
		sum.BytesStored = d.Stored // of the last day
		sum.Queries += d.Queries
		sum.BytesRead += d.BytesRead
		sum.Cost += cost
	}
	return OK(report)
}
