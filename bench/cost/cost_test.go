package cost

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadings reads the texts that figures come from.
func TestReadings(t *testing.T) {
	devices := `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1000      10    0    0    0     0          0         0     1000      10    0    0    0     0       0          0
  eth0: 5000      50    0    0    0     0          0         0     7000      70    0    0    0     0       0          0
  eth1:1 1 0 0 0 0 0 0 3 2 0 0 0 0 0 0
  bad: 1 2
`
	if bytes, packets := sent([]byte(devices)); bytes != 7003 || packets != 72 {
		t.Errorf("sent %d bytes in %d packets", bytes, packets)
	}
	text := []byte("stere_log_proposed_bytes 7\nstere_log_proposed_bytes_total 1.5e3\nother{a=\"b\"} 2\n")
	for name, want := range map[string]float64{"stere_log_proposed_bytes_total": 1500, "stere_log_proposed_bytes": 7} {
		if got, err := metric(text, name); err != nil || got != want {
			t.Errorf("%s is %v, %v, want %v", name, got, err, want)
		}
	}
	if got, err := metric(text, "missing"); err == nil {
		t.Errorf("a figure that is not there is %v", got)
	}
}

// TestCorpus cuts a file into batches.
func TestCorpus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "corpus")
	if err := os.WriteFile(path, []byte("a\nbb\nccc\ndddd\ne"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		lines, batch int
		want         string
		text         int64
	}{{10, 2, "a\nbb\n|ccc\ndddd\n|e\n", 16}, {3, 2, "a\nbb\n|ccc\n", 9}, {4, 4, "a\nbb\nccc\ndddd\n", 14}} {
		c, text, err := readCorpus(Config{Corpus: path, Lines: test.lines, BatchLines: test.batch})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		lines := 0
		for i, batch := range c.batches {
			got = append(got, string(batch))
			if n := strings.Count(string(batch), "\n"); n != c.counts[i] {
				t.Errorf("batch %d has %d lines, counted as %d", i, n, c.counts[i])
			}
			lines += c.counts[i]
		}
		if strings.Join(got, "|") != test.want || lines != c.lines || text != test.text {
			t.Errorf("%+v: batches %q of %d lines and %d bytes", test, got, c.lines, text)
		}
	}
	if _, _, err := readCorpus(Config{Corpus: os.DevNull, Lines: 1, BatchLines: 1}); err == nil {
		t.Error("a corpus without lines is taken")
	}
}

// TestReport says what was measured, and what was not.
func TestReport(t *testing.T) {
	r := Report{Nodes: 3, Corpus: "some", Lines: 1000, Loads: []Load{{Replicas: 1, LinesPerSecond: 100, CommittedBytes: 3000}, {Replicas: 3, LinesPerSecond: 50, CommittedBytes: 3000, WireBytes: 16000}}, Idle: Idle{Seconds: 60, CPUPercent: 1.25, ReplicatedSeconds: 12}}
	for i := range r.Loads {
		r.Loads[i].limit()
	}
	if r.Loads[0].LimitBytes != 2000 || r.Loads[1].LimitBytes != 8000 {
		t.Errorf("limits %d and %d", r.Loads[0].LimitBytes, r.Loads[1].LimitBytes)
	}
	var b strings.Builder
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| 0.50 ", "| 2.00 ", "| - ", "1.2 % of a core", "after 12 s", "not level"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
	if r.Failed() {
		t.Error("a whole report has failed")
	}
	if r.Loads = r.Loads[:1]; !r.Failed() {
		t.Error("half a report has not failed")
	}
	if err := (Config{}).Validate(); err == nil || !strings.Contains(err.Error(), "no program") {
		t.Errorf("an empty configuration: %v", err)
	}
}
