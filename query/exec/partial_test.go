package exec

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/stere-log/stere/model"
)

// TestDetach checks that what is kept of a part does not hold on to the pages
// that its texts come from.
func TestDetach(t *testing.T) {
	page := strings.Repeat("page ", 1000)
	within := func(text string) bool {
		at, start := uintptr(unsafe.Pointer(unsafe.StringData(text))), uintptr(unsafe.Pointer(unsafe.StringData(page)))
		return at >= start && at < start+uintptr(len(page))
	}
	least := &extremes{sign: 1}
	c := newCell(model.String, page[5:9])
	least.add(0, &c, 1)
	p := newPartial(1, 0, 1, []aggregate{least, &counts{}})
	p.label([]*cell{&c})
	p.label([]*cell{nil})
	p.seal()
	p.detach()
	for _, text := range []string{p.labels[0].text, least.of[0].best.text} {
		if text != "page" || within(text) {
			t.Errorf("%q is kept, within the page: %v", text, within(text))
		}
	}
	if p.labels[1].kind != 0 || p.labels[1].text != "" {
		t.Errorf("no value became %+v", p.labels[1])
	}
}
