package chart_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stere-log/stere/bench/chart"
)

func draw(t *testing.T, c chart.Chart) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	decoder := xml.NewDecoder(strings.NewReader(b.String()))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return b.String()
		} else if err != nil {
			t.Fatalf("not XML: %v\n%s", err, b.String())
		}
	}
}

func TestChart(t *testing.T) {
	series := []chart.Series{
		{Name: "a & b", Points: []chart.Point{{1e6, 3}, {3e6, 7}, {1e7, 18}}},
		{Name: "c", Points: []chart.Point{{1e6, 1}, {3e6, 0}, {1e7, math.Inf(1)}}},
	}
	text := draw(t, chart.Chart{Title: `<"growth">`, XLabel: "lines", Panels: []chart.Panel{
		{Title: "bytes", Series: series}, {Title: "ms", Log: true, Series: series}, {Title: "none", Series: []chart.Series{{Name: "c"}}},
	}})
	for _, want := range []string{"&lt;&quot;growth&quot;&gt;", "a &amp; b", ">1M<", ">3M<", ">10M<", ">20<", ">100<", "no figures"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
	// Two panels with three points of the one and one point of the other.
	if n := strings.Count(text, "<circle"); n != 8 {
		t.Errorf("%d marks, want 8: points without a value are left out", n)
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Error("a place is not a number")
	}
}

func TestOnePointAndNothing(t *testing.T) {
	one := chart.Panel{Title: "one", Log: true, Series: []chart.Series{{Name: "a", Points: []chart.Point{{10, 10}}}}}
	if text := draw(t, chart.Chart{Panels: []chart.Panel{one}}); strings.Contains(text, "NaN") || strings.Count(text, "<circle") != 1 {
		t.Errorf("one point is drawn as\n%s", text)
	}
	draw(t, chart.Chart{})
}

// full is a disk without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestWriteReportsTheDisk(t *testing.T) {
	if err := (chart.Chart{}).Write(full{}); err == nil {
		t.Error("no error")
	}
}
