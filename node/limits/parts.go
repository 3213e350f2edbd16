package limits

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/stere-log/stere/api/limits"
	"github.com/stere-log/stere/audit"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/consumption"
	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/limit"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage/engine"
)

// headName is the file in the data folder with the newest entry of this node's chain of
// the audit trail.
const (
	headName = "audit-head"
	headMax  = 1 << 10
)

// Config is what Open connects.
type Config struct {
	Self      string
	Peers     *Peers // nil: the node is alone
	Limits    limits.Config
	Usage     bool // what tenants use is counted and written down
	Audit     bool // who does what is
	Settings  map[string]string
	Writer    *ingest.Writer
	Engine    *query.Engine
	Directory auth.Directory
	Stored    func() map[model.ShardID]map[model.TenantID]int64
	Disk      func() (consumption.Disk, bool)
	FS        engine.FS
	Dir       string
	Logger    *slog.Logger
	Now       func() time.Time
}

// Parts are what keeps tenants to what they may, and what is remembered of everybody.
type Parts struct {
	Limiter *limit.Limiter
	Gate    *limits.Gate
	Book    *consumption.Book // nil: nothing is counted
	Trail   *audit.Trail      // nil: nothing is kept
}

// Open makes the parts; Run runs them.
func Open(cfg Config) *Parts {
	p := &Parts{}
	counting := limit.Config{Self: cfg.Self, Now: cfg.Now}
	if cfg.Peers != nil {
		counting.Peers = *cfg.Peers
	}
	if cfg.Usage {
		p.Book = consumption.New(consumption.Config{
			Node: cfg.Self, Write: cfg.Writer.Write, Search: cfg.Engine.Search, Stored: cfg.Stored, Disk: cfg.Disk, Logger: cfg.Logger, Now: cfg.Now,
		})
		counting.Recall = Recall(p.Book)
	}
	if cfg.Audit {
		path := cfg.FS.PathJoin(cfg.Dir, headName)
		p.Trail = audit.New(audit.Config{
			Node: cfg.Self, Write: cfg.Writer.Write, Search: cfg.Engine.Search, Settings: cfg.Settings, Logger: cfg.Logger, Now: cfg.Now,
			Keep: func(head audit.Head) error {
				text, err := json.Marshal(head)
				if err != nil {
					return fmt.Errorf("keep audit head: %w", err)
				}
				return engine.WriteFile(cfg.FS, path, append(text, '\n'))
			},
			Kept: func() (head audit.Head, err error) {
				text, err := engine.ReadFile(cfg.FS, path, headMax)
				if errors.Is(err, fs.ErrNotExist) {
					return head, nil
				}
				if err == nil {
					err = json.Unmarshal(text, &head)
				}
				return head, err
			},
		})
	}
	p.Limiter = limit.New(counting)
	p.Gate = limits.New(cfg.Limits, p.Limiter, cfg.Directory, p.Book)
	return p
}

// Run runs the parts from when the node is ready until the context ends.
func (p *Parts) Run(ctx context.Context, ready <-chan struct{}) error {
	select {
	case <-ready:
	case <-ctx.Done():
		return nil
	}
	var running sync.WaitGroup
	errs := make([]error, 2)
	if p.Book != nil {
		running.Go(func() { errs[0] = p.Book.Run(ctx) })
	}
	if p.Trail != nil {
		running.Go(func() { errs[1] = p.Trail.Run(ctx) })
	}
	<-ctx.Done()
	running.Wait()
	return errors.Join(errs...)
}

// Close writes down what was counted and is to be kept; no request comes any more.
func (p *Parts) Close(ctx context.Context) {
	if p.Book != nil {
		p.Book.Flush(ctx)
	}
	if p.Trail != nil {
		p.Trail.Close(ctx)
	}
}
