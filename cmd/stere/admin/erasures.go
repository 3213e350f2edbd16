package admin

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/client"
)

// Delete is stere admin delete.
type Delete struct {
	Records deleteRecords  `cmd:"" help:"Delete the records of a tenant that satisfy a query."`
	List    listDeletions  `cmd:"" help:"List deletions, newest first."`
	Show    showDeletion   `cmd:"" help:"Show how far a deletion has come, and the proof of its end."`
	Cancel  cancelDeletion `cmd:"" help:"Cancel a deletion that has not begun."`
}

// progressEvery is how often it is looked how far a deletion has come.
const progressEvery = time.Second

type deleteRecords struct {
	Remote
	Query  string `arg:"" optional:"" help:"Which records: a condition without pipes."`
	Tenant string `help:"Whose (default: that of the credentials)."`
	From   string `help:"Only records of this time or later." placeholder:"TIME"`
	To     string `help:"Only records before this time." placeholder:"TIME"`
	All    bool   `help:"Every record of the tenant is meant."`
	Reason string `help:"Why; it is kept."`
	DryRun bool   `help:"Say only what would go, and what that frees."`
	Wait   bool   `help:"Show how far it is until it has ended."`
}

// Run deletes, or says what would go.
func (d *deleteRecords) Run(w World) error {
	request := v1.DeletionRequest{Tenant: d.Tenant, Query: d.Query, From: d.From, To: d.To, All: d.All, Reason: d.Reason}
	if d.DryRun {
		return run(w, d.Remote, func(ctx context.Context, c *client.Client) (v1.DeletionEstimate, error) {
			return c.EstimateDeletion(ctx, request)
		}, func(out io.Writer, e v1.DeletionEstimate) { showEstimates(out, []v1.DeletionEstimate{e}) })
	}
	if d.Reason == "" {
		return w.Usage(fmt.Errorf("--reason is missing"))
	}
	return run(w, d.Remote, func(ctx context.Context, c *client.Client) (v1.Deletion, error) {
		deletion, err := c.Delete(ctx, request)
		for err == nil && d.Wait && deletion.Ended == nil {
			if !d.JSON {
				fmt.Fprintf(w.Stdout(), "%s: %d of %d shards done, %d records removed\n", deletion.Status, deletion.ShardsDone, len(deletion.Shards), deletion.Records)
			}
			select {
			case <-ctx.Done():
				return deletion, ctx.Err()
			case <-time.After(progressEvery):
			}
			deletion, err = c.Deletion(ctx, deletion.ID)
		}
		return deletion, err
	}, func(out io.Writer, one v1.Deletion) { showDeletions(out, []v1.Deletion{one}) })
}

func showEstimates(out io.Writer, all []v1.DeletionEstimate) {
	row(out, "TENANT", "RULE", "QUERY", "FROM", "TO", "RECORDS", "BYTES", "HELD")
	for _, e := range all {
		var held []string
		for _, h := range e.Held {
			held = append(held, fmt.Sprintf("%d by %s", h.Records, h.Hold))
		}
		row(out, e.Tenant, e.Rule, e.Query, day(e.From), day(e.To), strconv.FormatUint(e.Records, 10), strconv.FormatInt(e.Bytes, 10), strings.Join(held, ", "))
	}
}

func showDeletions(out io.Writer, all []v1.Deletion) {
	row(out, "ID", "KIND", "TENANT", "QUERY", "STATUS", "SHARDS", "RECORDS", "REWRITTEN", "DROPPED", "BYTES", "BY", "DETAIL")
	for _, d := range all {
		row(out, d.ID, d.Kind, d.Tenant, d.Query, d.Status, fmt.Sprintf("%d/%d", d.ShardsDone, len(d.Shards)), strconv.FormatUint(d.Records, 10),
			strconv.FormatUint(d.Rewritten, 10), strconv.FormatUint(d.Dropped, 10), strconv.FormatInt(d.Bytes, 10), d.By, d.Detail)
	}
}

type listDeletions struct {
	Remote
	Tenant string `help:"Only of this tenant."`
}

// Run lists deletions.
func (d *listDeletions) Run(w World) error {
	return run(w, d.Remote, func(ctx context.Context, c *client.Client) ([]v1.Deletion, error) { return c.Deletions(ctx, d.Tenant) }, showDeletions)
}

type showDeletion struct {
	Remote
	ID string `arg:"" help:"The deletion."`
}

// Run shows a deletion, shard by shard.
func (d *showDeletion) Run(w World) error {
	return run(w, d.Remote, func(ctx context.Context, c *client.Client) (v1.Deletion, error) { return c.Deletion(ctx, d.ID) }, func(out io.Writer, one v1.Deletion) {
		showDeletions(out, []v1.Deletion{one})
		row(out, "SHARD", "BEFORE", "RECORDS", "LEFT", "REPLICAS CHECKED", "GONE", "REWRITTEN", "DROPPED", "BYTES")
		for _, s := range one.Shards {
			row(out, fmt.Sprint(s.Shard), fmt.Sprint(s.Before), fmt.Sprint(s.Records), fmt.Sprint(s.Left), fmt.Sprint(s.Replicas), fmt.Sprint(s.Gone), fmt.Sprint(s.Rewritten), fmt.Sprint(s.Dropped), fmt.Sprint(s.Bytes))
		}
	})
}

type cancelDeletion struct {
	Remote
	ID string `arg:"" help:"The deletion."`
}

// Run cancels a deletion.
func (d *cancelDeletion) Run(w World) error {
	return run(w, d.Remote, func(ctx context.Context, c *client.Client) (v1.Deletion, error) { return c.CancelDeletion(ctx, d.ID) },
		func(out io.Writer, one v1.Deletion) { showDeletions(out, []v1.Deletion{one}) })
}

// Hold is stere admin hold.
type Hold struct {
	Create createHold `cmd:"" help:"Hold records of a tenant."`
	List   listHolds  `cmd:"" help:"List holds."`
	Lift   liftHold   `cmd:"" help:"Lift a hold."`
}

func showHolds(out io.Writer, all []v1.Hold) {
	row(out, "HOLD", "TENANT", "QUERY", "FROM", "TO", "SINCE", "BY", "REASON")
	for _, h := range all {
		row(out, h.ID, h.Tenant, h.Query, day(h.From), day(h.To), day(h.Created), h.By, h.Reason)
	}
}

type createHold struct {
	Remote
	ID     string `arg:"" help:"A name for it."`
	Query  string `arg:"" optional:"" help:"Which records (default: all)."`
	Tenant string `required:"" help:"Whose."`
	From   string `help:"Only records of this time or later." placeholder:"TIME"`
	To     string `help:"Only records before this time." placeholder:"TIME"`
	Reason string `required:"" help:"Why."`
}

// Run makes a hold.
func (h *createHold) Run(w World) error {
	return run(w, h.Remote, func(ctx context.Context, c *client.Client) (v1.Hold, error) {
		return c.CreateHold(ctx, v1.HoldRequest{ID: h.ID, Tenant: h.Tenant, Query: h.Query, From: h.From, To: h.To, Reason: h.Reason})
	}, func(out io.Writer, one v1.Hold) { showHolds(out, []v1.Hold{one}) })
}

type listHolds struct{ Remote }

// Run lists holds.
func (h *listHolds) Run(w World) error {
	return run(w, h.Remote, func(ctx context.Context, c *client.Client) ([]v1.Hold, error) { return c.Holds(ctx) }, showHolds)
}

type liftHold struct {
	Remote
	ID string `arg:"" help:"The hold."`
}

// Run lifts a hold.
func (h *liftHold) Run(w World) error {
	return run(w, h.Remote, func(ctx context.Context, c *client.Client) (v1.Hold, error) { return c.DropHold(ctx, h.ID) },
		func(out io.Writer, one v1.Hold) { showHolds(out, []v1.Hold{one}) })
}

// Retention is stere admin retention.
type Retention struct {
	Show showRetention `cmd:"" help:"Show the rules of a tenant."`
	Set  setRetention  `cmd:"" help:"Replace the rules of a tenant; none keeps everything."`
}

func showRules(out io.Writer, r v1.Retention) {
	row(out, "RULE", "KEEP", "BYTES", "MATCH")
	for _, rule := range r.Rules {
		row(out, rule.Name, rule.Keep, strconv.FormatInt(rule.Bytes, 10), rule.Match)
	}
}

type showRetention struct {
	Remote
	Tenant string `arg:"" help:"The tenant."`
}

// Run shows rules.
func (r *showRetention) Run(w World) error {
	return run(w, r.Remote, func(ctx context.Context, c *client.Client) (v1.Retention, error) { return c.Retention(ctx, r.Tenant) }, showRules)
}

type setRetention struct {
	Remote
	Tenant string   `arg:"" help:"The tenant."`
	Rule   []string `help:"NAME=KEEP or NAME=KEEP=QUERY; KEEP is a length of time (30d, 12h) or a size (500MB)." sep:"none" placeholder:"RULE"`
	DryRun bool     `help:"Say only what would go now, and what that frees."`
}

// Run sets rules, or says what they would remove.
func (r *setRetention) Run(w World) error {
	request := v1.RetentionRequest{Rules: []v1.RetentionRule{}}
	for _, text := range r.Rule {
		name, rest, ok := strings.Cut(text, "=")
		keep, match, _ := strings.Cut(rest, "=")
		if !ok {
			return w.Usage(fmt.Errorf("--rule %s: want NAME=KEEP or NAME=KEEP=QUERY", text))
		}
		rule := v1.RetentionRule{Name: name, Match: match}
		if bytes, isSize := size(keep); isSize {
			rule.Bytes = bytes
		} else {
			rule.Keep = keep
		}
		request.Rules = append(request.Rules, rule)
	}
	if r.DryRun {
		return run(w, r.Remote, func(ctx context.Context, c *client.Client) (v1.RetentionEstimate, error) {
			return c.EstimateRetention(ctx, r.Tenant, request)
		}, func(out io.Writer, e v1.RetentionEstimate) { showEstimates(out, e.Removes) })
	}
	return run(w, r.Remote, func(ctx context.Context, c *client.Client) (v1.Retention, error) {
		return c.SetRetention(ctx, r.Tenant, request)
	}, showRules)
}

// size reads a number of bytes: 500MB, 2GB, 1TB.
func size(text string) (int64, bool) {
	for i, unit := range []string{"KB", "MB", "GB", "TB"} {
		digits, ok := strings.CutSuffix(strings.ToUpper(text), unit)
		n, err := strconv.ParseInt(digits, 10, 32)
		if ok && err == nil && n > 0 {
			for range i + 1 {
				n *= 1000
			}
			return n, true
		}
	}
	return 0, false
}
