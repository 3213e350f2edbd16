package access

import (
	"math"
	"reflect"
	"strings"
)

// TermsOf returns everything that a plan says; unknown ones are basic.
func TermsOf(plan string) Terms {
	terms := func(days, logs, requests, queries, gigabytes int64, errorRate float64, critical int64, analytics, advanced bool) Terms {
		bytes, storage := logs<<10, gigabytes<<30
		return Terms{
			RetentionDays: &days, LogsPerDay: &logs, BytesPerDay: &bytes, RequestsPerMin: &requests, Queries: &queries, StorageBytes: &storage,
			Analytics: &analytics, Integrations: &analytics, Webhooks: &analytics, ContentAnalysis: &analytics, AdvancedFeatures: &advanced,
			Alerts: Alerts{ErrorRate: &errorRate, CriticalCount: &critical},
		}
	}
	switch plan {
	case Standard:
		return terms(30, 100_000, 1_000, 4, 10, 5, 10, true, false)
	case Premium:
		return terms(365, 1_000_000, 10_000, 16, 1_000, 1, 5, true, true)
	case Development:
		return terms(1, 1_000, 100, 2, 1, 50, 100, false, false)
	}
	return terms(7, 10_000, 100, 2, 1, 10, 20, false, false)
}

// All returns what an account amounts to: the terms of its plan with its own
// in their place.
func (a Account) All() Terms {
	all := TermsOf(a.Plan)
	a.Terms.each(&all, func(own, of reflect.Value) {
		if !own.IsNil() {
			of.Set(own)
		}
	})
	return all
}

// Merge returns the terms with those of others in their place where these say
// something.
func (t Terms) Merge(other Terms) Terms {
	other.each(&t, func(own, of reflect.Value) {
		if !own.IsNil() {
			of.Set(own)
		}
	})
	return t
}

// Raises returns the name of a term that is more than in others, "" if none is.
// Thresholds of alerts and what has no limit in the other are no more.
func (t Terms) Raises(other Terms) (name string) {
	own, of := reflect.ValueOf(t), reflect.ValueOf(other)
	for i := range own.NumField() {
		field, other := own.Field(i), of.Field(i)
		if field.Kind() != reflect.Pointer || field.IsNil() || other.IsNil() {
			continue
		}
		switch value := field.Elem(); value.Kind() {
		case reflect.Bool:
			if value.Bool() && !other.Elem().Bool() {
				return termName(own.Type().Field(i))
			}
		case reflect.Int64:
			if value.Int() > other.Elem().Int() {
				return termName(own.Type().Field(i))
			}
		}
	}
	return ""
}

// termName is what who configures a term calls it.
func termName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

// each calls do with every term of both, those of Alerts too.
func (t Terms) each(of *Terms, do func(own, of reflect.Value)) {
	pairs := [][2]reflect.Value{
		{reflect.ValueOf(t), reflect.ValueOf(of).Elem()}, {reflect.ValueOf(t.Alerts), reflect.ValueOf(&of.Alerts).Elem()},
	}
	for _, pair := range pairs {
		for i := range pair[0].NumField() {
			if pair[0].Field(i).Kind() == reflect.Pointer {
				do(pair[0].Field(i), pair[1].Field(i))
			}
		}
	}
}

// Check finds what can never be right.
func (t Terms) Check() (err error) {
	t.each(&Terms{}, func(own, _ reflect.Value) {
		switch {
		case own.IsNil():
		case own.Elem().Kind() == reflect.Int64 && (own.Elem().Int() < 0 || own.Elem().Int() > termMax):
			err = invalid("a term of %d, want 0 to %d", own.Elem().Int(), int64(termMax))
		case own.Elem().Kind() == reflect.Float64 && !(own.Elem().Float() >= 0 && own.Elem().Float() <= math.MaxInt32):
			err = invalid("a term of %v", own.Elem().Float())
		}
	})
	return err
}
