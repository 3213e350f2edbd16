package insight

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Limits of patterns.
const (
	patternsInSummary = 20
	patternsDefault   = 50
	PatternsMax       = 1_000 // patterns that are returned
	repeatingLeast    = 3     // records of a pattern that repeats
	spikeHourLeast    = 5     // errors of an hour from which on it can be a spike
	spikeHourFactor   = 2     // times the mean of hours with errors
	dominance         = 50    // percent of all records from which on a component dominates
	dominanceLeast    = 10    // records of such a component
	offHoursShare     = 5     // percent of all records at night from which on that is unusual
	nightEnds         = 6     // o'clock
	nightBegins       = 22
	endpointsMax      = 100 // of the performance of endpoints
	noveltyFactor     = 3   // times as many as before: spiking
)

// PatternsRequest asks for patterns.
type PatternsRequest struct {
	Scope
	Limit    int // patterns; 0 for 50
	Zone     *time.Location
	Severity string // only findings and levels of this; "" for all
}

// Patterns is what repeats, spikes and is unusual.
type Patterns struct {
	Completeness
	TimeRange           TimeRange                    `json:"timeRange"`
	RepeatingMessages   []Pattern                    `json:"repeatingMessages"`
	ErrorSpikes         []ErrorSpike                 `json:"errorSpikes"`
	UnusualActivity     []Unusual                    `json:"unusualActivity"`
	PerformancePatterns Ordered[EndpointPerformance] `json:"performancePatterns"`
	GeneratedAt         time.Time                    `json:"generatedAt"`
}

// Pattern is a message shape: what messages look like when what varies is
// masked.
type Pattern struct {
	Pattern    string         `json:"pattern"`
	Count      int64          `json:"count"`
	Share      float64        `json:"percentage"`
	FirstSeen  *time.Time     `json:"firstSeen"`
	LastSeen   *time.Time     `json:"lastSeen"`
	Severity   string         `json:"severity"` // the worst level of its records that is not rare
	Levels     Ordered[int64] `json:"levels"`
	Components []string       `json:"components"`
	Example    string         `json:"example"`
	Before     *int64         `json:"before,omitempty"`  // in the window before
	Novelty    string         `json:"novelty,omitempty"` // new, spiking, fading, steady
}

// ErrorSpike is an hour with many errors.
type ErrorSpike struct {
	Hour       time.Time `json:"hour"`
	ErrorCount int64     `json:"errorCount"`
	Threshold  float64   `json:"threshold"`
	Severity   string    `json:"severity"`
}

// Unusual is activity at an odd time or of an odd share.
type Unusual struct {
	Type        string  `json:"type"` // off_hours_activity, component_dominance
	Count       int64   `json:"count"`
	Share       float64 `json:"percentage"`
	Description string  `json:"description"`
	Component   string  `json:"component,omitempty"`
}

// EndpointPerformance is how long an endpoint takes.
type EndpointPerformance struct {
	Count   int64    `json:"count"`
	Average *float64 `json:"average"`
	Median  *float64 `json:"median"`
	P95     *float64 `json:"p95"`
	Slowest *float64 `json:"slowest"`
}
