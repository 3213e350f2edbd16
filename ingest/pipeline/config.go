package pipeline

import (
	"errors"
	"fmt"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/redact"
)

// Defaults of Config.
const (
	DefaultMaxLineBytes = 1 << 20
	DefaultMaxFields    = 1000
	DefaultMaxNameBytes = 256
	DefaultMaxDepth     = 32
)

// maxDepthLimit is the largest MaxDepth: nesting is parsed by recursion.
const maxDepthLimit = 1000

// Config limits what a record may be. The zero value means the defaults.
type Config struct {
	MaxLineBytes int // bytes of one record as sent
	MaxFields    int // fields of one record after flattening
	MaxNameBytes int // bytes of one field path
	MaxDepth     int // nested objects and arrays, the record itself included
	// TimeFields are the fields in which the time is looked for, in order, as
	// query names ("event.created" for a nested one). Empty means
	// DefaultTimeFields.
	TimeFields []string
	// Redact takes secrets out of records; nil leaves them in.
	Redact *redact.Redactor
	// RedactOf is what takes them out of the records of a tenant, if that is not the
	// same for all; nil: it is. What it returns must be Redact for who has nothing of
	// its own.
	RedactOf func(tenant model.TenantID) *redact.Redactor
}

// Redactor returns what takes secrets out of the records of a tenant, nil if nothing does.
func (c Config) Redactor(tenant model.TenantID) *redact.Redactor {
	if c.RedactOf == nil {
		return c.Redact
	}
	return c.RedactOf(tenant)
}

// DefaultTimeFields returns the fields in which the time is looked for.
func DefaultTimeFields() []string {
	return []string{"timestamp", "@timestamp", "time", "ts", "_time", "eventTime"}
}

// timeFieldsMax bounds Config.TimeFields.
const timeFieldsMax = 32

// Validate reports every fault of the configuration.
func (c Config) Validate() error {
	var faults []error
	for _, limit := range []struct {
		name  string
		value int
		most  int
	}{
		{"line bytes", c.MaxLineBytes, 1 << 30},
		{"fields", c.MaxFields, 1 << 20},
		{"name bytes", c.MaxNameBytes, 1 << 16},
		{"depth", c.MaxDepth, maxDepthLimit},
	} {
		if limit.value < 0 || limit.value > limit.most {
			faults = append(faults, fmt.Errorf("limit of %s is %d, want 0 (default) to %d", limit.name, limit.value, limit.most))
		}
	}
	if len(c.TimeFields) > timeFieldsMax {
		faults = append(faults, fmt.Errorf("%d time fields, want at most %d", len(c.TimeFields), timeFieldsMax))
	}
	for _, name := range c.TimeFields {
		switch name {
		case "", "level", "severity":
			faults = append(faults, fmt.Errorf("%q cannot be a time field", name))
		}
	}
	return errors.Join(faults...)
}

// withDefaults fills in the defaults and forces what Validate would refuse
// into its bounds.
func (c Config) withDefaults() Config {
	c.MaxLineBytes = orDefault(c.MaxLineBytes, DefaultMaxLineBytes)
	c.MaxFields = orDefault(c.MaxFields, DefaultMaxFields)
	c.MaxNameBytes = orDefault(c.MaxNameBytes, DefaultMaxNameBytes)
	c.MaxDepth = min(orDefault(c.MaxDepth, DefaultMaxDepth), maxDepthLimit)
	if len(c.TimeFields) == 0 {
		c.TimeFields = DefaultTimeFields()
	}
	c.TimeFields = c.TimeFields[:min(len(c.TimeFields), timeFieldsMax)]
	return c
}

func orDefault(value, otherwise int) int {
	if value <= 0 {
		return otherwise
	}
	return value
}
