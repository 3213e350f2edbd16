// Command encryption measures what encryption at rest costs: it sends the same records
// to nodes without it, with it, and with keys of tenants, in turns, has everything
// sealed and merged, starts each node again and asks it the same questions.
//
//	go run ./bench/encryption --file records.ndjson --lines 500000
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/stere-log/stere/bench/proc"
	"github.com/stere-log/stere/bench/tool"
	"github.com/stere-log/stere/encryption"
)

const million = 1e6

// questions read what most questions read: few values of many rows, words, messages.
func questions() []string {
	return []string{
		"level:error | stats count() by (component)",
		"timeout AND connection",
		"* | stats count() by (_time:1h, level)",
		"/[a-f0-9]{8}/ | stats count()",
		"* | top 20 message",
	}
}

type flags struct {
	File   string `required:"" help:"Records, NDJSON." placeholder:"FILE"`
	Lines  int    `default:"500000" help:"How many of them are sent."`
	Rounds int    `default:"2" help:"How often each node is measured; the least counts."`
	Asks   int    `default:"20" help:"How often each question is asked of a node that was asked it before."`
	Stere  string `help:"The program (default: it is built)." placeholder:"FILE"`
	Work   string `help:"A folder for the nodes (default: a temporary one)." placeholder:"DIR"`
	JSON   string `name:"json" help:"Write the figures as JSON, - for standard output." placeholder:"FILE"`
}

func main() {
	os.Exit(tool.Run("encryption", "Measures what encryption at rest costs.", os.Args[1:], os.Stdout, os.Stderr, act))
}

// Figures are those of one node; of several rounds the least of each.
type Figures struct {
	Name         string
	CPUIngest    float64 // seconds of processors for a million records, sealed and merged
	WrittenBytes int64   // sent towards the disk meanwhile
	DiskBytes    int64
	FirstMillis  float64 // all questions, right after a start
	CPUFirst     float64
	WarmMillis   float64 // the middle of the middle times of each question, asked again
	CPUWarm      float64 // milliseconds of processors for a question that is asked again
}

// least takes what is less of two rounds.
func (f *Figures) least(other Figures) {
	f.CPUIngest, f.FirstMillis, f.CPUFirst = min(f.CPUIngest, other.CPUIngest), min(f.FirstMillis, other.FirstMillis), min(f.CPUFirst, other.CPUFirst)
	f.WarmMillis, f.CPUWarm = min(f.WarmMillis, other.WarmMillis), min(f.CPUWarm, other.CPUWarm)
	f.WrittenBytes, f.DiskBytes = min(f.WrittenBytes, other.WrittenBytes), min(f.DiskBytes, other.DiskBytes)
}

type report []Figures

// WriteTable implements tool.Report.
func (r report) WriteTable(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "NODE\tCPU s/MILLION\tWRITTEN MB\tDISK MB\tFIRST ms\tFIRST CPU ms\tWARM ms\tWARM CPU ms")
	for _, f := range r {
		fmt.Fprintf(out, "%s\t%.2f\t%.1f\t%.2f\t%.0f\t%.0f\t%.2f\t%.2f\n", f.Name, f.CPUIngest, float64(f.WrittenBytes)/million, float64(f.DiskBytes)/million, f.FirstMillis, f.CPUFirst, f.WarmMillis, f.CPUWarm)
	}
	return out.Flush()
}

func act(ctx context.Context, f flags, stdout, stderr io.Writer) (code int, err error) {
	work, err := tool.WorkFolder(f.Work, "encryption")
	if err != nil {
		return tool.ExitUsage, err
	}
	if f.Work == "" {
		defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	}
	if f.Stere == "" {
		if f.Stere, err = tool.BuildStere(ctx, work); err != nil {
			return tool.ExitUsage, err
		}
	}
	keys := filepath.Join(work, "keys")
	if err := os.WriteFile(keys, []byte(encryption.NewMaster()), 0o600); err != nil {
		return tool.ExitUsage, fmt.Errorf("write key: %w", err)
	}
	arms := []struct {
		name string
		args []string
	}{
		{"plain", nil},
		{"encrypted", []string{"--encryption-key-file", keys}},
		{"keys of tenants", []string{"--encryption-key-file", keys, "--set", "encryption-tenant-keys=true"}},
	}
	figures := make(report, len(arms))
	for round := range f.Rounds {
		for i, arm := range arms {
			one, err := measure(ctx, f, filepath.Join(work, "node"), arm.args)
			if err != nil {
				return 1, fmt.Errorf("measure %s: %w", arm.name, err)
			}
			fmt.Fprintf(stderr, "round %d, %s: %.2f CPU s per million\n", round+1, arm.name, one.CPUIngest)
			if one.Name = arm.name; round == 0 {
				figures[i] = one
			}
			figures[i].least(one)
		}
	}
	return 0, tool.WriteReport(figures, f.JSON, stdout)
}

// measure runs one node from an empty folder to its end.
func measure(ctx context.Context, f flags, dir string, args []string) (one Figures, err error) {
	if err := os.RemoveAll(dir); err != nil {
		return one, fmt.Errorf("clear folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	node, url, err := start(ctx, f.Stere, dir, args)
	if err != nil {
		return one, err
	}
	sent, err := send(ctx, url, f.File, f.Lines)
	if err == nil {
		_, err = post(ctx, url+"/admin/flush", nil)
	}
	used, failed := node.Usage()
	if err := errors.Join(err, failed, node.Stop()); err != nil {
		return one, err
	}
	disk, err := proc.DiskOf(dir)
	if err != nil {
		return one, fmt.Errorf("measure folder: %w", err)
	}
	one.CPUIngest, one.WrittenBytes, one.DiskBytes = used.CPUSeconds/float64(sent)*million, used.BytesWritten, disk.Allocated
	if node, url, err = start(ctx, f.Stere, dir, args); err != nil {
		return one, err
	}
	return one, errors.Join(one.ask(ctx, node, url, f.Asks), node.Stop())
}

// ask asks all questions once, and each again and again.
func (f *Figures) ask(ctx context.Context, node *proc.Process, url string, asks int) error {
	cpu := func() float64 {
		used, _ := node.Usage() // 0 shows
		return used.CPUSeconds * 1000
	}
	begun, began := cpu(), time.Now()
	for _, q := range questions() {
		if _, err := search(ctx, url, q, 0); err != nil {
			return err
		}
	}
	f.FirstMillis, f.CPUFirst = float64(time.Since(began).Microseconds())/1000, cpu()-begun
	begun = cpu()
	var middles []float64
	for _, q := range questions() {
		var took []float64
		for n := range asks {
			d, err := search(ctx, url, q, n+1)
			if err != nil {
				return err
			}
			took = append(took, float64(d.Microseconds())/1000)
		}
		slices.Sort(took)
		middles = append(middles, took[len(took)/2])
	}
	slices.Sort(middles)
	f.WarmMillis = middles[len(middles)/2]
	f.CPUWarm = (cpu() - begun) / float64(asks*len(middles))
	return nil
}

// search asks a question, with a time that is another one each time, so that no
// answer that was kept serves.
func search(ctx context.Context, url, query string, n int) (time.Duration, error) {
	body, err := json.Marshal(map[string]any{"query": query, "limit": 20, "timeRange": map[string]any{"start": time.Unix(int64(n), 0).UTC()}})
	if err != nil {
		return 0, fmt.Errorf("encode question: %w", err)
	}
	return post(ctx, url+"/logs/search", body)
}

// start starts a node.
func start(ctx context.Context, path, dir string, args []string) (*proc.Process, string, error) {
	address, err := proc.FreeAddress()
	if err != nil {
		return nil, "", err
	}
	url := "http://" + address
	node, err := proc.Start(ctx, proc.Config{
		Path: path, Args: append([]string{"serve", "--insecure-no-auth", "--data", dir, "--listen", address}, args...), LogPath: dir + ".log",
		Ready: func(ctx context.Context) error { _, err := search(ctx, url, "*", 0); return err },
	})
	return node, url, err
}

// send sends the first lines of a file.
func send(ctx context.Context, url, path string, most int) (sent int, err error) {
	return tool.SendLines(path, most, func(batch []byte) error {
		_, err := post(ctx, url+"/logs", batch)
		return err
	})
}

// post sends a body, and returns how long the answer took.
func post(ctx context.Context, url string, body []byte) (took time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	began := time.Now()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("ask: %w", err)
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return 0, fmt.Errorf("read answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("post %s: status %d: %.200s", url, answer.StatusCode, text)
	}
	return time.Since(began), nil
}
