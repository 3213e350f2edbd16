// Command meaning measures what package meaning says of texts: how well attacks are found
// in labelled lines, what is found in real logs, how often a level is detected that is
// known, how well models learn labels, and what each costs.
//
//	go run ./bench/meaning -data ../shared/data
//
// The folder has loghub/NAME_2k.log.gz with NAME_2k.log_structured.csv.gz, and
// ndjson/*.ndjson.zst. Without it only the labelled lines are looked at.
// docs/meaning.md says what the figures mean.
package main

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/klauspost/compress/zstd"

	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/meaning/labelled"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/shape"
)

func main() {
	var data string
	var examples int
	var labelled bool
	flag.StringVar(&data, "data", "", "the folder of logs")
	flag.IntVar(&examples, "examples", 0, "lines to show of each attack in each file")
	flag.BoolVar(&labelled, "labelled", false, "only what is known of labelled lines, not the costs")
	flag.Parse()
	if err := run(data, examples, labelled, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "meaning:", err)
		os.Exit(1)
	}
}

// run prints all tables.
func run(data string, examples int, onlyLabelled bool, out io.Writer) error {
	attacks(out)
	if data == "" {
		return nil
	}
	if err := levels(data, out); err != nil {
		return err
	}
	if err := models(data, out); err != nil {
		return err
	}
	fmt.Fprintln(out)
	if onlyLabelled {
		return nil
	}
	return logs(data, examples, out)
}

// attacks prints how well attacks are found in labelled lines.
func attacks(out io.Writer) {
	lines := labelled.Attacks()
	figures := labelled.Measure(lines, func(labelled.Line, []meaning.Finding) {})
	fmt.Fprintf(out, "| attack, of %d labelled lines | found | missed | wrong | precision | recall |\n|---|---|---|---|---|---|\n", len(lines))
	row := func(name string, f labelled.Figures) {
		fmt.Fprintf(out, "| %s | %d | %d | %d | %.3f | %.3f |\n", name, f.Right, f.Missed, f.Wrong, f.Precision(), f.Recall())
	}
	for _, attack := range meaning.AttackNames() {
		row(string(attack), figures[attack])
	}
	row("all", labelled.Total(figures))
	fmt.Fprintln(out)
}

// levels prints how often the level of a line is detected that is known.
func levels(data string, out io.Writer) error {
	files, err := filepath.Glob(filepath.Join(data, "loghub", "*_2k.log.gz"))
	if err != nil {
		return fmt.Errorf("look for lines: %w", err)
	}
	fmt.Fprint(out, "| lines of | lines | right | none | wrong |\n|---|---|---|---|---|\n")
	for _, file := range files {
		if err := levelsOf(file, out); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	fmt.Fprintln(out)
	return nil
}

func levelsOf(file string, out io.Writer) error {
	var rows [][]string
	err := unpacked(strings.TrimSuffix(file, ".gz")+"_structured.csv.gz", func(r io.Reader) (err error) {
		rows, err = csv.NewReader(r).ReadAll()
		return err
	})
	if err != nil {
		return err
	}
	at := slices.Index(rows[0], "Level")
	var n, right, none, wrong int
	err = unpacked(file, func(r io.Reader) error {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			want := model.LevelNone
			if n++; at >= 0 && n < len(rows) {
				want, _ = model.ParseLevel(rows[n][at])
			}
			switch got := meaning.DetectLevel(lines.Text()); got {
			case want:
				right++
			case model.LevelNone:
				none++
			default:
				wrong++
			}
		}
		return lines.Err()
	})
	name := strings.TrimSuffix(filepath.Base(file), "_2k.log.gz")
	if at < 0 {
		name += ", which has no levels"
	}
	fmt.Fprintf(out, "| %s | %d | %d | %d | %d |\n", name, n, right, none, wrong)
	return err
}

// unpacked reads a file of gzip.
func unpacked(file string, read func(io.Reader) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	return read(r)
}

// source is what was found in one file.
type source struct {
	name           string
	lines, shapes  int
	read           int // whose outline did not say enough
	shown          map[meaning.Attack]int
	category       map[meaning.Category]int
	level, wrong   int // detected of a message alone, and not the one that the record has
	attack, judged float64
}

// logs prints what is found in real logs, and what it costs.
func logs(data string, examples int, out io.Writer) error {
	files, err := filepath.Glob(filepath.Join(data, "ndjson", "*.ndjson.zst"))
	if err != nil {
		return fmt.Errorf("look for logs: %w", err)
	}
	fmt.Fprint(out, "| source | lines | shapes | read for attacks | show attacks | CPU s per million lines, attacks | category | levels detected | other than given | categories |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, file := range files {
		s, err := look(file, examples, out)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		million := float64(s.lines) / 1e6
		fmt.Fprintf(out, "| %s | %d | %d | %d | %s | %.2f | %.2f | %d | %d | %s |\n", s.name, s.lines, s.shapes, s.read, mix(s.shown), s.attack/million, s.judged/million, s.level, s.wrong, mix(s.category))
	}
	return nil
}

// mix writes counts, the most frequent first.
func mix[K ~string](counts map[K]int) string {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b K) int { return cmp.Or(counts[b]-counts[a], strings.Compare(string(a), string(b))) })
	var text []string
	for _, key := range keys[:min(len(keys), 4)] {
		text = append(text, fmt.Sprintf("%s %d", key, counts[key]))
	}
	return strings.Join(text, ", ")
}

// record is what is looked at of one.
type record struct {
	Message, Level, Component string
}

// look does for a file what a query does: outlines once, messages where they have to be
// read.
func look(file string, examples int, out io.Writer) (*source, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := zstd.NewReader(f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var records []record
	outlines := map[string]int{}
	var of []int
	for d := json.NewDecoder(r); ; {
		var one record
		if err := d.Decode(&one); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		outline := shape.MessageOutline(one.Message)
		if _, known := outlines[outline]; !known {
			outlines[outline] = len(outlines)
		}
		records, of = append(records, one), append(of, outlines[outline])
	}
	s := &source{
		name: strings.TrimSuffix(filepath.Base(file), ".ndjson.zst"), lines: len(records), shapes: len(outlines),
		shown: map[meaning.Attack]int{}, category: map[meaning.Category]int{},
	}
	s.findAttacks(records, outlines, of, examples, out)
	before := processor()
	evidence := make([]string, len(outlines))
	for outline, number := range outlines {
		evidence[number] = meaning.Evidence(outline)
	}
	verdicts := map[meaning.Evidences]meaning.Category{}
	for i, one := range records {
		e := meaning.Evidences{Message: evidence[of[i]], Component: one.Component}
		if _, known := verdicts[e]; !known {
			verdicts[e] = meaning.Judge(meaning.Evidences{Message: e.Message, Component: meaning.Evidence(e.Component)}).Labels[0].Category
		}
		s.category[verdicts[e]]++
	}
	s.judged = processor() - before
	for _, one := range records {
		if level := meaning.DetectLevel(one.Message); level != model.LevelNone {
			s.level++
			if one.Level != "" && one.Level != level.String() {
				s.wrong++
			}
		}
	}
	return s, nil
}

// findAttacks reads the messages whose outline says that they may show one.
func (s *source) findAttacks(records []record, outlines map[string]int, of []int, examples int, out io.Writer) {
	before := processor()
	may := make([]bool, len(outlines))
	for outline, number := range outlines {
		may[number] = meaning.MayAttack(outline)
	}
	for i, one := range records {
		if !may[of[i]] {
			continue
		}
		s.read++
		for _, found := range meaning.Attacks(one.Message) {
			if s.shown[found.Attack]++; s.shown[found.Attack] <= examples {
				fmt.Fprintf(out, "%s, %s: %.400q\n", found.Attack, found.Signature, one.Message)
			}
		}
	}
	s.attack = processor() - before
}

// processor returns the seconds that this process has computed.
func processor() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return float64(usage.Utime.Sec+usage.Stime.Sec) + float64(usage.Utime.Usec+usage.Stime.Usec)/1e6
}
