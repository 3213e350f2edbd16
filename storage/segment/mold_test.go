package segment

import (
	"fmt"
	"testing"

	"github.com/stere-log/stere/index"
)

// TestMoldsKeepBorders checks messages that look like those before them, but whose value
// stands inside of a word, or has more or fewer words than theirs: a value that is cut out
// there would take its words with it.
func TestMoldsKeepBorders(t *testing.T) {
	var lines, values []string
	for i := range 400 {
		value := fmt.Sprintf("(v%dx)", i)
		switch {
		case i >= 300:
			value = fmt.Sprintf("v%dx y-%d", i, i)
		case i >= 200:
			value = fmt.Sprintf("v%dx", i)
		case i >= 100:
			value = fmt.Sprintf("(v%dx", i)
		}
		values = append(values, value)
		lines = append(lines, fmt.Sprintf("user%send %d", value, i))
	}
	compareMatches(t, lines, values, index.Word{Folded: "v50x"}, index.Word{Folded: "v150xend"}, index.Word{Folded: "v150x"},
		index.Word{Folded: "userv250xend"}, index.Word{Folded: "v250x"}, index.Word{Folded: "userv350x"}, index.Word{Folded: "350end"}, index.Word{Folded: "350"})
}

// TestMoldsSeeOtherValues checks that a value is referred to although the message looks like
// others that do not repeat it.
func TestMoldsSeeOtherValues(t *testing.T) {
	var lines, values []string
	for i := range 2000 {
		value := fmt.Sprintf("value%dq", i)
		values = append(values, value)
		if i%4 == 0 {
			value = fmt.Sprintf("other%dq", i)
		}
		lines = append(lines, "begin "+value+" end")
	}
	s := compareMatches(t, lines, values, index.Word{Folded: "value999q"}, index.Word{Folded: "other1000q"}, index.Word{Folded: "value1000q"})
	if rows := rowsOfShape(t, s, "begin \x130\x13 end"); rows != 1500 {
		t.Errorf("%d rows refer to the value, want 1500", rows)
	}
}

// TestMoldsLeaveText checks that a message in whose variable there is text has no shape,
// although it looks like others that have one: its pattern would follow from what came
// before it.
func TestMoldsLeaveText(t *testing.T) {
	var lines, values []string
	for i := range 400 {
		value := fmt.Sprintf("value%dq", i)
		values = append(values, value)
		unit := fmt.Sprint(i)
		if i%4 == 3 {
			unit = fmt.Sprintf("ディスク%dの容量", i)
		}
		lines = append(lines, value+" fills "+unit)
	}
	s := compareMatches(t, lines, values, index.Word{Folded: "102"}, index.Word{Folded: "ディスク103の容量"}, index.Word{Folded: "value103q"})
	if rows := rowsOfShape(t, s, "\x130\x13 fills \x11"); rows != 300 {
		t.Errorf("%d rows have the shape, want 300", rows)
	}
}

// rowsOfShape returns how many messages have a shape.
func rowsOfShape(t *testing.T, s *Segment, shape string) (rows int) {
	t.Helper()
	for _, source := range s.named["message"] {
		c := source.(*columnReader)
		counts, err := c.counts()
		if err != nil {
			t.Fatal(err)
		}
		entries, err := c.dict()
		if err != nil {
			t.Fatal(err)
		}
		for i, entry := range entries {
			if entry == shape {
				rows += int(counts[uint32(i)+c.meta.codeBase()])
			}
		}
	}
	return rows
}
