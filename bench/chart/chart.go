package chart

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Chart is panels under one title and one legend. The horizontal scale of all
// of them is logarithmic.
type Chart struct {
	Title  string
	XLabel string
	Panels []Panel
}

// Panel is one drawing.
type Panel struct {
	Title string
	// Log says that the vertical scale is logarithmic; else it begins at 0.
	Log    bool
	Series []Series
}

// Series is one line. Points that are not above 0 are left out.
type Series struct {
	Name   string
	Points []Point
}

// Point is one value.
type Point struct{ X, Y float64 }

// Sizes in pixels.
const (
	columns     = 3
	panelWidth  = 330
	panelHeight = 210
	marginLeft  = 58
	marginRight = 14
	marginTop   = 30
	marginBelow = 34
	headHeight  = 56
	markRadius  = 3
	legendStep  = 150
)

// ticksMax is how many marks a vertical scale has at most.
const ticksMax = 6

// colour is that of a series; they can be told apart in grey and by people who
// do not see all colours.
func colour(i int) string {
	colours := [...]string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000"}
	return colours[i%len(colours)]
}

// dash sets the lines apart in print.
func dash(i int) string {
	dashes := [...]string{"none", "6 3", "2 2", "8 2 2 2", "1 3"}
	return dashes[i%len(dashes)]
}

// Write draws the chart.
func (c Chart) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	names := c.names()
	rows := (len(c.Panels) + columns - 1) / columns
	width, height := columns*panelWidth, headHeight+rows*panelHeight
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`+"\n", width, height, width, height)
	fmt.Fprintf(out, "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n", width, height)
	fmt.Fprintf(out, "<text x=\"14\" y=\"22\" font-size=\"15\">%s</text>\n", escape(c.Title))
	for i, name := range names {
		x := 14 + i*legendStep
		fmt.Fprintf(out, `<line x1="%d" y1="40" x2="%d" y2="40" stroke="%s" stroke-width="2" stroke-dasharray="%s"/><text x="%d" y="44">%s</text>`+"\n",
			x, x+26, colour(i), dash(i), x+32, escape(name))
	}
	for i, p := range c.Panels {
		fmt.Fprintf(out, `<g transform="translate(%d,%d)">`+"\n", i%columns*panelWidth, headHeight+i/columns*panelHeight)
		p.draw(out, c.XLabel, names)
		fmt.Fprintln(out, "</g>")
	}
	fmt.Fprintln(out, "</svg>")
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write chart: %w", err)
	}
	return nil
}

// names are those of all series, in the order in which they come.
func (c Chart) names() []string {
	var names []string
	seen := map[string]bool{}
	for _, p := range c.Panels {
		for _, s := range p.Series {
			if !seen[s.Name] {
				seen[s.Name] = true
				names = append(names, s.Name)
			}
		}
	}
	return names
}

func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(text)
}

func (p Panel) draw(w io.Writer, xLabel string, names []string) {
	fmt.Fprintf(w, "<text x=\"%d\" y=\"18\" font-size=\"12\">%s</text>\n", marginLeft-44, escape(p.Title))
	points := p.points()
	if len(points) == 0 {
		fmt.Fprintf(w, "<text x=\"%d\" y=\"%d\" fill=\"#777\">no figures</text>\n", marginLeft, panelHeight/2)
		return
	}
	x, y := scaleX(points), p.scaleY(points)
	left, right := marginLeft, panelWidth-marginRight
	for _, tick := range y.ticks {
		at := y.at(tick)
		fmt.Fprintf(w, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, at, right, at, left-5, at+4, short(tick))
	}
	for _, tick := range x.ticks {
		fmt.Fprintf(w, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x.at(tick), panelHeight-marginBelow+14, short(tick))
	}
	fmt.Fprintf(w, `<text x="%d" y="%d" text-anchor="end" fill="#777">%s</text>`+"\n", right, panelHeight-marginBelow+26, escape(xLabel))
	for _, s := range p.Series {
		s.draw(w, x, y, indexOf(names, s.Name))
	}
}

func indexOf(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return 0
}

func (s Series) draw(w io.Writer, x, y scale, i int) {
	var line []string
	for _, p := range s.Points {
		if !p.drawn() {
			continue
		}
		line = append(line, fmt.Sprintf("%.1f,%.1f", x.at(p.X), y.at(p.Y)))
		fmt.Fprintf(w, `<circle cx="%.1f" cy="%.1f" r="%d" fill="%s"><title>%s, %s: %s</title></circle>`+"\n",
			x.at(p.X), y.at(p.Y), markRadius, colour(i), escape(s.Name), short(p.X), short(p.Y))
	}
	fmt.Fprintf(w, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s"/>`+"\n", strings.Join(line, " "), colour(i), dash(i))
}

func (p Point) drawn() bool { return p.X > 0 && p.Y > 0 && !math.IsInf(p.X+p.Y, 0) }

func (p Panel) points() []Point {
	var points []Point
	for _, s := range p.Series {
		for _, point := range s.Points {
			if point.drawn() {
				points = append(points, point)
			}
		}
	}
	return points
}

// scale maps values to pixels.
type scale struct {
	low, high float64 // of the value, or of its logarithm
	from, to  float64 // pixels
	log       bool
	ticks     []float64
}

func (s scale) at(value float64) float64 {
	if s.log {
		value = math.Log10(value)
	}
	if s.high == s.low {
		return (s.from + s.to) / 2
	}
	return s.from + (value-s.low)/(s.high-s.low)*(s.to-s.from)
}

// scaleX has a mark at every value that there is, if they are few.
func scaleX(points []Point) scale {
	s := scale{low: math.Inf(1), high: math.Inf(-1), from: marginLeft + 8, to: panelWidth - marginRight - 8, log: true}
	seen := map[float64]bool{}
	for _, p := range points {
		s.low, s.high = min(s.low, math.Log10(p.X)), max(s.high, math.Log10(p.X))
		if !seen[p.X] && len(seen) < ticksMax {
			seen[p.X] = true
			s.ticks = append(s.ticks, p.X)
		}
	}
	return s
}

func (p Panel) scaleY(points []Point) scale {
	low, high := math.Inf(1), 0.0
	for _, point := range points {
		low, high = min(low, point.Y), max(high, point.Y)
	}
	s := scale{from: panelHeight - marginBelow, to: marginTop, log: p.Log}
	if !p.Log {
		step := nice(high / (ticksMax - 1))
		for n := 0.0; n*step < high+step; n++ {
			s.ticks = append(s.ticks, n*step)
		}
		s.high = s.ticks[len(s.ticks)-1]
		return s
	}
	s.low, s.high = math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	if s.high == s.low {
		s.high++
	}
	every := max(1, int(s.high-s.low)/ticksMax)
	for e := int(s.low); e <= int(s.high); e += every {
		s.ticks = append(s.ticks, math.Pow10(e))
	}
	return s
}

// nice is the next of 1, 2 and 5 times a power of ten.
func nice(value float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(value)))
	for _, digit := range []float64{1, 2, 5} {
		if digit*power >= value {
			return digit * power
		}
	}
	return 10 * power
}

// short writes a number with three digits and a letter for thousands.
func short(value float64) string {
	for _, unit := range []struct {
		size   float64
		letter string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if math.Abs(value) >= unit.size {
			return strconv.FormatFloat(value/unit.size, 'g', 3, 64) + unit.letter
		}
	}
	return strconv.FormatFloat(value, 'g', 3, 64)
}
