package bench_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/stere-log/stere/bench"
	"github.com/stere-log/stere/index"
)

const (
	testCorpus   = "generate:6000:5"
	testVariants = 3 // of each question
	testSeed     = 9
)

func open(t *testing.T) (*bench.Corpus, *bench.Survey) {
	t.Helper()
	c, err := bench.OpenCorpus(t.Context(), testCorpus, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := bench.TakeSurvey(t.Context(), c, nil, testVariants, testSeed)
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

func TestConditionsMeanWhatTheIndexMeans(t *testing.T) {
	messages := []string{"", "timeout", "a timeout.", "timeouts", "read_timeout", "time out", "xtimeout timeout", "naïve timeouté", "(timeout)", "timeout after", "exist", "5timeout"}
	for _, m := range messages {
		r := &bench.Record{Message: m}
		if got, want := (bench.Word{Text: "timeout"}).Matches(r), index.HasWord(m, "timeout"); got != want {
			t.Errorf("word in %q: %v, want %v", m, got, want)
		}
		if got, want := (bench.Prefix{Text: "time"}).Matches(r), (index.Prefix{Folded: "time"}).Match(0, m); got != want {
			t.Errorf("prefix in %q: %v, want %v", m, got, want)
		}
	}
	yes, no := &bench.Record{Message: "user anna left 75"}, &bench.Record{Message: "user annabel left 74"}
	for _, c := range []bench.Condition{
		bench.Phrase{Text: "anna left"},
		bench.Pattern{Literal: "left", Regexp: regexp.MustCompile(`left [0-9]*5\b`)},
		bench.All{Of: []bench.Condition{bench.Word{Text: "user"}, bench.Word{Text: "anna"}}},
		bench.Any{Of: []bench.Condition{bench.Word{Text: "nobody"}, bench.Word{Text: "anna"}}},
		bench.None{Of: bench.Word{Text: "annabel"}},
	} {
		if !c.Matches(yes) || c.Matches(no) {
			t.Errorf("%#v: %v and %v, want true and false", c, c.Matches(yes), c.Matches(no))
		}
	}
}

func TestSurveyIsDeterministicAndComplete(t *testing.T) {
	_, first := open(t)
	_, second := open(t)
	if fmt.Sprint(*first) != fmt.Sprint(*second) {
		t.Fatalf("two surveys differ:\n%+v\n%+v", first, second)
	}
	for _, q := range bench.Questions(first) {
		if q.Missing != "" {
			t.Errorf("question %d has no words: %s", q.Number, q.Missing)
		}
	}
}

// A word that a later part of a corpus has in another case is not chosen.
func TestWordsHaveOneCaseInAllParts(t *testing.T) {
	c, first := open(t)
	words := func(s *bench.Survey) (all []string) {
		one, two, _ := strings.Cut(s.Phrase, " ")
		all = append(all, one, two, s.Frequent, s.Either, s.Or, s.Not, s.Pattern.Literal, s.WindowWord)
		for _, more := range [][]string{s.Others.Frequent, s.Others.Either, s.Others.Or, s.Others.Not, s.Others.Patterns, s.Others.Window} {
			all = append(all, more...)
		}
		return all
	}
	var lines strings.Builder
	upper := map[string]bool{}
	for i, word := range append(words(first), first.Prefix+"es") {
		upper[word] = true
		fmt.Fprintf(&lines, `{"timestamp":"2026-01-01T00:00:00Z","message":"line %d: %s, twice %[2]s"}`+"\n", i, strings.ToUpper(word[:1])+word[1:])
	}
	path := filepath.Join(t.TempDir(), "later.ndjson")
	if err := os.WriteFile(path, []byte(lines.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	later, err := bench.OpenCorpus(t.Context(), path, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := bench.TakeSurvey(t.Context(), c, []*bench.Corpus{later}, testVariants, testSeed)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range words(s) {
		if upper[word] {
			t.Errorf("%q is chosen, and the later part has it in another case", word)
		}
	}
	if s.Prefix == first.Prefix || s.Prefix == "" || s.Frequent == "" {
		t.Errorf("the prefix is %q and the word %q, want others than %q and %q", s.Prefix, s.Frequent, first.Prefix, first.Frequent)
	}
	if s.Lines != first.Lines || s.Last != first.Last {
		t.Errorf("the survey is of %d lines, want those of the first part, %d", s.Lines, first.Lines)
	}
}

func TestQuestionsHaveAnswers(t *testing.T) {
	c, s := open(t)
	truths, err := bench.Scan(t.Context(), c, bench.Questions(s))
	if err != nil {
		t.Fatal(err)
	}
	if len(truths) != 13 {
		t.Fatalf("%d questions, want 13", len(truths))
	}
	for _, truth := range truths {
		if truth.Size() == 0 {
			t.Errorf("question %d (%s) has an empty answer", truth.Question.Number, truth.Question.Detail)
		}
	}
	if truths[0].Size() != 1 {
		t.Errorf("the unique id occurs %d times", truths[0].Size())
	}
}

func TestCompressedCorpusIsTheSame(t *testing.T) {
	c, _ := open(t)
	text, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "c.ndjson.zst")
	if err := os.WriteFile(path, encoder.EncodeAll(text, nil), 0o644); err != nil {
		t.Fatal(err)
	}
	packed, err := bench.OpenCorpus(t.Context(), path, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if packed.Lines != c.Lines || packed.Bytes != c.Bytes {
		t.Fatalf("unpacked corpus has %d lines, %d bytes, want %d, %d", packed.Lines, packed.Bytes, c.Lines, c.Bytes)
	}
}

func TestBatchesAreTheCorpus(t *testing.T) {
	c, _ := open(t)
	want, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	batches := make(chan bench.Batch, 100)
	if err := c.Batches(t.Context(), 999, batches); err != nil {
		t.Fatal(err)
	}
	var got []byte
	lines := 0
	for b := range batches {
		if n := bytes.Count(b.Text, []byte("\n")); n != b.Lines || n > 999 {
			t.Fatalf("batch says %d lines and has %d", b.Lines, n)
		}
		lines += b.Lines
		got = append(got, b.Text...)
	}
	if !bytes.Equal(got, want) || int64(lines) != c.Lines {
		t.Fatal("batches are not the corpus")
	}
}

func TestBadSpecs(t *testing.T) {
	for _, spec := range []string{"generate:", "generate:x", "generate:-5", "generate:5:x", "/does/not/exist"} {
		if _, err := bench.OpenCorpus(t.Context(), spec, t.TempDir()); err == nil {
			t.Errorf("corpus %q accepted", spec)
		}
	}
	for _, spec := range []string{"", "stere", "stere=", "else=/bin/x", "bulk=/bin/x"} {
		if _, err := bench.ParseTarget(spec, t.TempDir(), 0); err == nil {
			t.Errorf("target %q accepted", spec)
		}
	}
	err := bench.Config{Workers: -1, Repeats: -1, Targets: []string{"stere=a", "stere=b"}}.Validate()
	for _, word := range []string{"corpus", "target", "work folder", "workers", "repeats", "two targets are called stere"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("error does not name %s: %v", word, err)
		}
	}
}

// fakeStere speaks Stere's interface and answers with what the scan says. It
// shows that a right server is reported right and a wrong one wrong.
type fakeStere struct {
	t       *testing.T
	answers map[string]string // query text and limit to body
	mu      struct {
		sync.Mutex
		lines    int
		refusals int
		settled  bool
	}
	wrong bool // drops a record from each answer
}

func (f *fakeStere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "GET /health/ready":
	case "POST /logs":
		if f.mu.refusals < 3 { // overload is met by sending again
			f.mu.refusals++
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		var body bytes.Buffer
		if _, err := body.ReadFrom(r.Body); err != nil {
			f.t.Error(err)
		}
		n := bytes.Count(body.Bytes(), []byte("\n"))
		f.mu.lines += n
		fmt.Fprintf(w, `{"success":true,"data":{"accepted":%d,"rejected":0,"errors":[]}}`, n)
	case "POST /admin/flush":
		f.mu.settled = true
	case "POST /logs/search":
		var request struct {
			Query   string
			Filters struct{ TimeRange struct{ Start, End string } }
		}
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			f.t.Error(err)
		}
		answer, ok := f.answers[request.Query+request.Filters.TimeRange.Start+request.Filters.TimeRange.End]
		if !ok || !f.mu.settled {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, "unexpected query %s", request.Query)
			return
		}
		if f.wrong {
			answer = strings.Replace(answer, "[[", "[[1,2],[", 1)
			answer = strings.Replace(answer, `"data":[{`, `"data":[{"timestamp":"2001-01-01T00:00:00Z","message":"x"},{`, 1)
		}
		fmt.Fprint(w, answer)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// rightAnswers answers the rendered queries from a plain read of the corpus,
// written apart from the scan.
func rightAnswers(t *testing.T, c *bench.Corpus, s *bench.Survey) map[string]string {
	t.Helper()
	answers := map[string]string{}
	questions := bench.Questions(s)
	for _, variants := range bench.Variants(s, testVariants, testSeed) {
		questions = append(questions, variants...)
	}
	for _, q := range questions {
		answers[bench.StereQuery(q)+bench.StereRange(q)] = bench.NaiveAnswer(t, c, q)
	}
	return answers
}

func TestRunReportsRightAndWrong(t *testing.T) {
	c, s := open(t)
	answers := rightAnswers(t, c, s)
	for _, wrong := range []bool{false, true} {
		fake := &fakeStere{t: t, answers: answers, wrong: wrong}
		server := httptest.NewServer(fake)
		report, err := bench.Run(t.Context(), bench.Config{Corpora: []string{testCorpus}, Targets: []string{"stere=" + server.URL}, WorkDir: t.TempDir(), Repeats: testVariants, Seed: testSeed, BatchLines: 700})
		server.Close()
		if err != nil {
			t.Fatal(err)
		}
		target := report.Runs[0].Targets[0]
		if int64(fake.mu.lines) != c.Lines || target.Ingest.Retries != 3 || target.Error != "" {
			t.Errorf("%d lines arrived, %d retries, error %q; want %d, 3, none", fake.mu.lines, target.Ingest.Retries, target.Error, c.Lines)
		}
		if wantRight := map[bool]int{false: 13, true: 0}[wrong]; target.RightAnswers != wantRight || target.QuestionsAsked != 13 || report.Failed() != wrong {
			t.Errorf("wrong=%v: %d of %d answers right, failed %v", wrong, target.RightAnswers, target.QuestionsAsked, report.Failed())
			for _, a := range target.Answers {
				t.Logf("%d %s: %q", a.Number, a.Name, a.Wrong)
			}
		}
		var table bytes.Buffer
		if err := report.WriteTable(&table); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(table.String(), "WRONG") != wrong || !strings.Contains(table.String(), "geometric mean") {
			t.Errorf("table of wrong=%v:\n%s", wrong, table.String())
		}
	}
}

func TestLostLinesAreAFault(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/logs" {
			fmt.Fprint(w, `{"success":true,"data":{"accepted":1,"rejected":0}}`)
		}
	}))
	defer server.Close()
	report, err := bench.Run(t.Context(), bench.Config{Corpora: []string{testCorpus}, Targets: []string{"stere=" + server.URL}, WorkDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if !report.Failed() || !strings.Contains(report.Runs[0].Targets[0].Error, "accepted") {
		t.Fatalf("a target that drops lines is reported as %+v", report.Runs[0].Targets[0])
	}
}

// TestVariantsAreOthers wants that no answer can have been given before, and
// that the seed says which variants there are.
func TestVariantsAreOthers(t *testing.T) {
	c, s := open(t)
	const many = 30
	variants, again := bench.Variants(s, many, 1), bench.Variants(s, many, 1)
	if fmt.Sprint(variants) != fmt.Sprint(again) {
		t.Error("the same seed gives other variants")
	}
	if fmt.Sprint(variants) == fmt.Sprint(bench.Variants(s, many, 2)) {
		t.Error("another seed gives the same variants")
	}
	for _, q := range bench.Questions(s) {
		seen := map[string]bool{bench.StereQuery(q) + bench.StereRange(q): true}
		for _, v := range variants[q.Number] {
			if text := bench.StereQuery(v) + bench.StereRange(v); v.Kind != q.Kind || seen[text] {
				t.Errorf("question %d is asked again: %s", q.Number, text)
			} else {
				seen[text] = true
			}
		}
		if len(seen) != many+1 {
			t.Errorf("question %d has %d variants, want %d", q.Number, len(seen)-1, many)
		}
	}
	var all []bench.Question
	for _, q := range variants {
		all = append(all, q[:testVariants]...)
	}
	truths, err := bench.Scan(t.Context(), c, all)
	if err != nil {
		t.Fatal(err)
	}
	for _, truth := range truths {
		// The window of question 11 is anywhere, also where the word is not.
		if truth.Size() == 0 && truth.Question.Number != 11 {
			t.Errorf("a variant of question %d has no answer: %s", truth.Question.Number, truth.Question.Detail)
		}
	}
}

func TestPartsAreTheCorpus(t *testing.T) {
	c, _ := open(t)
	parts, err := c.Parts(t.Context(), []int64{1, 2_500, 6_000})
	if err != nil {
		t.Fatal(err)
	}
	var want, got []int64
	read := func(into *[]int64) func(int64, *bench.Record) error {
		return func(_ int64, r *bench.Record) error {
			*into = append(*into, r.Time)
			return nil
		}
	}
	if err := c.Records(t.Context(), read(&want)); err != nil {
		t.Fatal(err)
	}
	bytes := int64(0)
	for i, part := range parts {
		before := len(got)
		if err := part.Records(t.Context(), read(&got)); err != nil {
			t.Fatal(err)
		}
		if lines := int64(len(got) - before); lines != part.Lines || lines != []int64{1, 2_499, 3_500}[i] {
			t.Errorf("part %d says %d lines and has %d", i, part.Lines, lines)
		}
		bytes += part.Bytes
	}
	if bytes != c.Bytes || !slices.Equal(got, want) {
		t.Errorf("parts have %d bytes and %d records, the corpus %d and %d", bytes, len(got), c.Bytes, len(want))
	}
	if _, err := c.Parts(t.Context(), []int64{6_001}); err == nil {
		t.Error("a part beyond the end is no error")
	}
}

// TestPartsOfAnUntidyFile has blank lines, a line longer than the buffer and
// no line feed at its end.
func TestPartsOfAnUntidyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.ndjson")
	text := "\n{\"a\":1}\r\n\r\n{\"b\":\"" + strings.Repeat("x", 3<<20) + "\"}\n\n{\"c\":3}"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := bench.OpenCorpus(t.Context(), "untidy="+path, t.TempDir())
	if err != nil || c.Lines != 3 || c.Name != "untidy" {
		t.Fatalf("have %+v, %v", c, err)
	}
	parts, err := c.Parts(t.Context(), []int64{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range parts {
		batches := make(chan bench.Batch, 3)
		if err := part.Batches(t.Context(), 10, batches); err != nil {
			t.Fatal(err)
		}
		if b := <-batches; b.Lines != 1 || !bytes.Contains(b.Text, []byte{'{', '"', "abc"[i]}) {
			t.Errorf("part %d has %d lines: %.20q", i, b.Lines, b.Text)
		}
	}
}

// TestGrowingAndLackingCorpora sends a corpus in two steps, and one that has
// no level, no component and no fields.
func TestGrowingAndLackingCorpora(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bare.ndjson")
	var text strings.Builder
	for i := range 200 {
		fmt.Fprintf(&text, "{\"timestamp\":\"2026-01-01T00:%02d:00Z\",\"message\":\"plain line %d\"}\n", i%60, i)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_bulk" {
			return
		}
		var body bytes.Buffer
		if _, err := body.ReadFrom(r.Body); err != nil {
			t.Error(err)
		}
		items := strings.Repeat(`{"create":{"status":201}},`, bytes.Count(body.Bytes(), []byte("\n"))/2)
		fmt.Fprintf(w, `{"errors":false,"items":[%s]}`, strings.TrimSuffix(items, ","))
	}))
	defer server.Close()
	report, err := bench.Run(t.Context(), bench.Config{Corpora: []string{"bare=" + path}, Grow: []int64{50, 150}, Targets: []string{"bulk=" + server.URL}, WorkDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Runs) != 2 || report.Runs[0].Growing || !report.Runs[1].Growing || report.Runs[1].Corpus.Lines != 150 || report.Runs[1].Targets[0].Ingest.Lines != 100 {
		t.Fatalf("have %+v", report.Runs)
	}
	for _, number := range []int{1, 4, 5, 6, 7, 8, 12, 13} {
		if a := report.Runs[0].Targets[0].Answers[number-1]; a.Skipped == "" || strings.Contains(a.Skipped, "no questions") {
			t.Errorf("question %d is asked: %+v", number, a)
		}
	}
}
