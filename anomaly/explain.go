package anomaly

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Explain says in plain words what a finding is, what was to be expected, and how sure
// that is.
func (in *Input) Explain(f *Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s. ", in.named(f.Subject), in.what(f))
	switch f.Kind {
	case New, Rare:
		fmt.Fprintf(&b, "There were %s.", f.Basis)
	case Silence:
		fmt.Fprintf(&b, "About %s are usual in that time, and no pause of the history was nearly as long.", amount(f.Expected, f.Unit))
	case Drift:
		fmt.Fprintf(&b, "That is from %s.", f.Basis)
	default:
		fmt.Fprintf(&b, "Usual are %s to %s, by %s.", number(f.Low), amount(f.High, f.Unit), f.Basis)
	}
	if f.Kind != New && f.Kind != Rare {
		fmt.Fprintf(&b, " By chance that happens %s.", odds(f.LogP))
	}
	if f.Deploy != nil {
		after := max(in.at(f.From).Sub(f.Deploy.Time), 0).Round(time.Minute)
		fmt.Fprintf(&b, " It began within %s of the deployment of %s, which is the likely cause.", max(after, in.Width), f.Deploy.What)
	}
	if n := len(f.Related); n > 0 {
		var names []string
		for _, s := range f.Related[:min(n, 3)] {
			names = append(names, in.named(s))
		}
		fmt.Fprintf(&b, " The same cause shows in %s", strings.Join(names, ", "))
		if n > 3 {
			fmt.Fprintf(&b, " and %d more", n-3)
		}
		b.WriteByte('.')
	}
	return b.String()
}

// what says what happened.
func (in *Input) what(f *Finding) string {
	from, to := in.clock(f.From), in.clock(f.To)
	span := "between " + from + " and " + to
	if f.Ongoing {
		span = "since " + from
	}
	switch f.Kind {
	case New:
		return fmt.Sprintf("new, %s since %s", amount(f.Observed, f.Unit), from)
	case Rare:
		return fmt.Sprintf("an error that is rare, %s at %s", amount(f.Observed, f.Unit), from)
	case Silence:
		return "silent " + span
	case Drift:
		return fmt.Sprintf("slowly %s from %s to %s in %s", upDown(f.Up, "rising", "falling"), number(f.Expected), amount(f.Observed, f.Unit), in.Width)
	case Change:
		return fmt.Sprintf("a lasting %s, %s %s", upDown(f.Up, "rise", "fall"), amount(f.Observed, f.Unit), span)
	case Mix:
		return fmt.Sprintf("%.1f %% of the records are errors %s, not %.1f %%", f.Observed, span, f.Expected)
	case Slow:
		return fmt.Sprintf("%s, about %s %s and not %s", upDown(f.Up, "slower", "faster"), amount(f.Observed, f.Unit), span, number(f.Expected))
	case Seasonal:
		return fmt.Sprintf("%s for that time of day, %s %s", upDown(f.Up, "many", "few"), amount(f.Observed, f.Unit), span)
	case Spike:
		return fmt.Sprintf("a spike of %s %s", amount(f.Observed, f.Unit), span)
	}
	return fmt.Sprintf("a drop to %s %s", amount(f.Observed, f.Unit), span)
}

// clock writes when a bucket begins.
func (in *Input) clock(bucket int) string { return in.at(bucket).UTC().Format("2006-01-02 15:04") }

// named says what a finding is about.
func (in *Input) named(s Subject) string {
	const shown = 120
	name := s.Name
	if len(name) > shown {
		name = strings.ToValidUTF8(name[:shown], "") + "..."
	}
	switch s.Dimension {
	case All:
		return "all records"
	case Pattern:
		return fmt.Sprintf("the pattern %q", name)
	}
	return fmt.Sprintf("the %s %s", s.Dimension, name)
}

// upDown chooses a word.
func upDown(is bool, up, down string) string {
	if is {
		return up
	}
	return down
}

// number writes a figure with as many digits as a person wants.
func number(v float64) string {
	if v >= 10 || v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// amount writes a figure with its unit.
func amount(v float64, unit string) string {
	switch unit {
	case "percent":
		return number(v) + " %"
	case "milliseconds":
		return number(v) + " ms"
	}
	if v == 1 {
		return "1 record"
	}
	return number(v) + " records"
}

// odds says how often something happens by chance.
func odds(lnP float64) string {
	power := -lnP / math.Ln10
	if power > 30 {
		return "less than once in 10^30 times"
	}
	return fmt.Sprintf("about once in 10^%.0f times", max(power, 1))
}

// Score turns a probability into 0 (nothing special) to 100.
func Score(lnP float64) float64 {
	return math.Round(min(100, max(0, -lnP/math.Ln10*5)))
}
