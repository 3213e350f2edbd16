package learned

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/pattern"
)

// TestNamesAreRemembered checks that workers who name outlines at the same time, and ask for
// more than are remembered, get the names that a set gives, and that no more are remembered.
func TestNamesAreRemembered(t *testing.T) {
	const workers, distinct = 8, madeMax + 1_000
	var messages []string
	for _, user := range []string{"anna", "bert", "carl", "dora", "emil", "fred", "gust", "hugo"} {
		messages = append(messages, "user "+user+" came in")
	}
	set := new(pattern.Set).Learn(pattern.Outlines(messages))
	l := newNames(set, true)
	mapper := set.Mapper()
	want := map[string]func(outline string) string{
		model.FieldLearned:   func(outline string) string { return mapper.Of(outline).Text },
		model.FieldLearnedID: func(outline string) string { return mapper.Of(outline).ID },
		FieldForm:            func(outline string) string { return mapper.Of(outline).Form() },
	}
	for field, of := range want {
		outlines, names := make([]string, distinct), make([]string, distinct)
		for i := range outlines {
			outlines[i] = fmt.Sprintf("user u%c%c came in", 'a'+i%26, 'a'+i/26%26)
			if i%3 > 0 {
				outlines[i] = fmt.Sprintf("door %d was shut", i)
			}
			names[i] = of(outlines[i])
		}
		var wait sync.WaitGroup
		for worker := range workers {
			name := l.of[field].Start()
			wait.Go(func() {
				for i := range outlines {
					at := (i + worker*distinct/workers/64) % distinct
					if have := name(outlines[at]); have != names[at] {
						t.Errorf("%s of %q is %q, want %q", field, outlines[at], have, names[at])
						return
					}
				}
			})
		}
		wait.Wait()
	}
	made := &namesMade{of: map[string]string{}}
	for i := range 2 * madeMax {
		if made.put(fmt.Sprint(i), "name"); len(made.of) > madeMax {
			t.Fatalf("%d names are remembered", len(made.of))
		}
	}
}
