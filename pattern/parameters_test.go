package pattern

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestParameters looks at what stands at the positions of a pattern.
func TestParameters(t *testing.T) {
	var messages []string
	for i := range 200 {
		messages = append(messages, fmt.Sprintf("Failed password for user%d  from 10.0.0.%d port %d ssh2", i%3, i%7, 1000+i))
	}
	messages = append(messages, "something else", "Failed password for root")
	p := ParametersOf("Failed password for * from * port * ssh2", messages, 202)
	if p.Records != 202 || p.Unmatched != 2 || len(p.Positions) != 3 {
		t.Fatalf("%+v", p)
	}
	user, address, port := p.Positions[0], p.Positions[1], p.Positions[2]
	if user.Type != "text" || user.After != "for" || user.Distinct.Estimate != 3 || user.Values[0] != (ValueCount{"user0", 67, 33.5}) {
		t.Errorf("user: %+v", user)
	}
	if address.Type != "address" || address.Distinct.Low != 7 || address.Position != 2 {
		t.Errorf("address: %+v", address)
	}
	if port.Type != "number" || *port.Numbers != (Numbers{1000, 1099, 1189, 1199}) || len(port.Values) != topValues {
		t.Errorf("port: %+v, %+v", port, port.Numbers)
	}
}

// TestAlign reads what stands at the stars of odd patterns.
func TestAlign(t *testing.T) {
	for _, c := range []struct{ form, message, want string }{
		{"a * c", "a b c", "[b]"}, {"a * c", "a b x c c", "[b x c]"}, {"* c", "a b c", "[a b]"}, {"a *", "a", "none"}, {"a *", "a b c", "[b c]"}, {"* *", "a b c", "[a b c]"},
		{"a=*, b=*;", "a=1, b=2;", "[1 2]"}, {"*, INFO, *, ok", "7,INFO,anna,ok", "[7 anna]"}, {"a **b", "a xb", "[ x]"}, {"a * c …", "a b c and more", "[b]"}, {"abc", "abc", "[]"}, {"abc", "abd", "none"}, {"*", "", "[]"}, {"a * c", "b b c", "none"},
	} {
		p := ParametersOf(c.form, []string{c.message}, 1)
		have := "none"
		if p.Unmatched == 0 {
			values := []string{}
			for _, one := range p.Positions {
				values = append(values, one.Values[0].Value)
			}
			have = fmt.Sprint(values)
		}
		if have != c.want {
			t.Errorf("%q in %q: have %s, want %s", c.form, c.message, have, c.want)
		}
	}
}

// TestDistinctOfSome estimates from one record in ten how many values there are in all, of
// few values, of many, of very uneven ones and of those that are never the same.
func TestDistinctOfSome(t *testing.T) {
	const all, looked = 20_000, 2_000
	random := rand.New(rand.NewPCG(3, 4))
	zipf := rand.NewZipf(random, 1.2, 1, 1<<20)
	for name, value := range map[string]func(i int) string{
		"few": func(int) string { return fmt.Sprint(random.IntN(20)) }, "many": func(int) string { return fmt.Sprint(random.IntN(3_000)) },
		"uneven": func(int) string { return fmt.Sprint(zipf.Uint64()) }, "ids": func(i int) string { return fmt.Sprint(i) },
	} {
		values, there := make([]string, all), map[string]bool{}
		for i := range values {
			values[i] = "v " + value(i)
			there[values[i]] = true
		}
		random.Shuffle(all, func(i, j int) { values[i], values[j] = values[j], values[i] })
		d := ParametersOf("v *", values[:looked], all).Positions[0].Distinct
		truth := float64(len(there))
		const factor = 3.17 // the root of ten
		if d.Exact || float64(d.Low) > truth || float64(d.High) < truth || float64(d.Estimate) > factor*truth || float64(d.Estimate) < truth/factor {
			t.Errorf("%s: %+v, there are %d", name, d, len(there))
		}
		if d := ParametersOf("v *", values, all).Positions[0].Distinct; !d.Exact || d.Estimate != int64(len(there)) || d.High != d.Low {
			t.Errorf("%s: of all %+v, there are %d", name, d, len(there))
		}
	}
}
