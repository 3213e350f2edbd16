package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/client"
)

// The limits of send.
const (
	parallelMax   = 64
	sendAttempts  = 20 // some minutes, as a restart or a full disk may take
	batchBytesMin = 64 << 10
	batchBytesMax = 16 << 20
)

type sendCommand struct {
	remoteFlags
	Files     []string `arg:"" name:"file" help:"Files to send; - is standard input."`
	Format    string   `enum:"auto,ndjson,lines" default:"auto" help:"auto (by content), ndjson or lines."`
	Parallel  int      `default:"4" help:"Requests at the same time."`
	Batch     string   `default:"2MiB" help:"Size of a request." placeholder:"SIZE"`
	NoResume  bool     `help:"Send everything from the start, as new records."`
	MaxErrors int      `default:"20" help:"How many refused lines are named."`
	Quiet     bool     `short:"q" help:"No progress."`
}

// Help teaches by example.
func (sendCommand) Help() string {
	return `Sends files to a node: NDJSON, a JSON array, or plain lines (each line a
message); plain, gzip or zstd, told by their content. What was interrupted goes on
where it stopped, and no line is stored twice. Exit code 5: some lines were refused.

Examples:
  stere send app.ndjson
  stere send /var/log/syslog /var/log/syslog.*.gz
  journalctl -o json --since today | stere send -
  stere send --url http://logs.example.com:7100 --parallel 8 big.ndjson.zst`
}

// Run sends the files.
func (c *sendCommand) Run(p *program) error {
	batchBytes, err := parseSize(c.Batch)
	if err == nil && (batchBytes < batchBytesMin || batchBytes > batchBytesMax) {
		err = fmt.Errorf("--batch %s is not between 64KiB and 16MiB", c.Batch)
	}
	if c.Parallel < 1 || c.Parallel > parallelMax {
		err = errors.Join(err, fmt.Errorf("--parallel %d is not between 1 and %d", c.Parallel, parallelMax))
	}
	if err != nil {
		return usageError{err}
	}
	node, cfg, err := p.connect(c.remoteFlags, sendAttempts)
	if err != nil {
		return err
	}
	defer node.Close()
	if err := p.checkAccess(node); err != nil {
		return err
	}
	var total tally
	var faults []error
	started := time.Now()
	for _, name := range c.Files {
		sum, err := p.sendFile(c, node, cfg, name, int(batchBytes))
		total.add(sum)
		if err != nil {
			faults = append(faults, fmt.Errorf("send %s: %w", name, err))
			if p.ctx.Err() != nil || errors.Is(err, client.ErrUnreachable) || isRefused(err) {
				break
			}
		}
	}
	elapsed := time.Since(started)
	fmt.Fprintf(p.stderr, "accepted %d, rejected %d lines in %v (%.0f lines/s, %s/s)\n", total.accepted, total.rejected, elapsed.Round(time.Millisecond),
		float64(total.accepted+total.rejected)/elapsed.Seconds(), humanBytes(float64(total.bytes)/elapsed.Seconds()))
	if err := errors.Join(faults...); err != nil {
		return err
	}
	if total.rejected > 0 {
		return partialError{fmt.Errorf("%d lines were refused", total.rejected)}
	}
	return nil
}

// checkAccess finds out before anything is read whether the node is there and
// takes the credentials.
func (p *program) checkAccess(node *client.Client) error {
	health, err := node.Health(p.ctx)
	if err != nil {
		return err
	}
	if health.Token != nil && !health.Token.Valid {
		return &client.Error{Status: 401, Answer: v1.Error{Code: "UNAUTHORIZED", Message: health.Token.Error}}
	}
	if health.Token == nil {
		return &client.Error{Status: 401, Answer: v1.Error{Code: "UNAUTHORIZED", Message: "no API key found for this node"}}
	}
	return nil
}

func isRefused(err error) bool {
	var answer *client.Error
	return errors.As(err, &answer) && (answer.Status == 401 || answer.Status == 403)
}

// tally counts what became of lines.
type tally struct{ accepted, rejected, bytes int64 }

func (t *tally) add(other tally) {
	t.accepted += other.accepted
	t.rejected += other.rejected
	t.bytes += other.bytes
}

// sending is one file on its way.
type sending struct {
	p        *program
	command  *sendCommand
	node     *client.Client
	source   *source
	note     string // name of the note about how far it is, "" for none
	progress *progress

	mu struct {
		sync.Mutex
		tally
		named int
		done  map[int64]int64 // ends of batches by their starts, above the mark
		mark  resumeNote      // everything before it is sent
		saved time.Time
	}
}

// resumeNote says how far a file was sent.
type resumeNote struct {
	Offset   int64 `json:"offset"` // in the decompressed file
	Line     int64 `json:"line"`
	Accepted int64 `json:"accepted"`
	Rejected int64 `json:"rejected"`
}

// noteEvery is how often the note about a file is renewed.
const noteEvery = time.Second

// sendFile sends one file and returns what became of its lines in this run.
func (p *program) sendFile(c *sendCommand, node *client.Client, cfg client.Config, name string, batchBytes int) (tally, error) {
	src, err := p.openSource(name, c.Format, batchBytes)
	if err != nil {
		return tally{}, err
	}
	defer src.Close()
	s := &sending{p: p, command: c, node: node, source: src}
	s.mu.done = map[int64]int64{}
	if src.identity != "" && !c.NoResume {
		// The key tells nodes apart: a new data folder starts anew.
		s.note = noteName("send", cfg.URL, cfg.APIKey, src.identity)
		var note resumeNote
		if p.readNote(s.note, &note) && note.Offset > 0 {
			if err := src.Skip(note.Offset, note.Line); err != nil {
				return tally{}, fmt.Errorf("resume at line %d: %w", note.Line+1, err)
			}
			s.mu.mark = note
			fmt.Fprintf(p.stderr, "%s: goes on at line %d\n", name, note.Line+1)
		}
	}
	if src.identity == "" || c.NoResume {
		src.identity = client.NewIdempotencyKey()
	}
	s.progress = p.newProgress(name, src, c.Quiet)
	err = s.run()
	s.progress.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.note == "":
	case err == nil:
		p.removeNote(s.note)
	default:
		err = errors.Join(err, s.saveNote(time.Time{}))
	}
	return s.mu.tally, err
}

// run reads batches and sends them with several workers until the file ends
// or a batch fails for good.
func (s *sending) run() error {
	ctx, cancel := context.WithCancelCause(s.p.ctx)
	defer cancel(nil)
	batches := make(chan batch)
	var workers sync.WaitGroup
	for range s.command.Parallel {
		workers.Go(func() {
			for b := range batches {
				if err := s.send(ctx, b); err != nil {
					cancel(err)
				}
			}
		})
	}
	for ctx.Err() == nil {
		b, err := s.source.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				cancel(err)
			}
			break
		}
		select {
		case batches <- b:
		case <-ctx.Done():
		}
	}
	close(batches)
	workers.Wait()
	return context.Cause(ctx)
}

// send sends a batch. Its key depends on the file, the place and the content,
// so that the same lines are stored once even if the note about them is lost.
func (s *sending) send(ctx context.Context, b batch) error {
	var written v1.Written
	if len(bytes.TrimSpace(b.body)) > 0 {
		var err error
		written, err = s.node.Write(ctx, b.body, client.WriteOptions{Key: b.key(s.source.identity), ContentType: s.source.contentType()})
		if err != nil && len(s.source.refusal(err)) == 0 {
			return err
		}
		if err != nil { // the batch is one line, and that was refused
			written = v1.Written{Rejected: 1, Errors: s.source.refusal(err)}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, refused := range append(written.Errors, b.tooLong...) {
		s.nameRefused(b.line+int64(refused.Line), refused)
	}
	accepted, rejected := int64(written.Accepted), int64(written.Rejected+len(b.tooLong))
	s.mu.accepted += accepted
	s.mu.rejected += rejected
	s.mu.bytes += int64(len(b.body))
	s.progress.Add(accepted+rejected, int64(len(b.body)))
	s.mu.done[b.offset] = b.end
	s.mu.mark.Accepted += accepted
	s.mu.mark.Rejected += rejected
	for end, ok := s.mu.done[s.mu.mark.Offset]; ok; end, ok = s.mu.done[s.mu.mark.Offset] {
		delete(s.mu.done, s.mu.mark.Offset)
		s.mu.mark.Offset = end
		s.mu.mark.Line = s.source.lineAt(end)
	}
	if s.note != "" && time.Since(s.mu.saved) > noteEvery {
		return s.saveNote(time.Now())
	}
	return nil
}

// nameRefused prints why a line was refused; s.mu is held.
func (s *sending) nameRefused(line int64, refused v1.Rejected) {
	if s.mu.named++; s.mu.named > s.command.MaxErrors {
		if s.mu.named == s.command.MaxErrors+1 {
			s.progress.Print("further refused lines are only counted")
		}
		return
	}
	field := ""
	if refused.Field != "" {
		field = refused.Field + ": "
	}
	s.progress.Print(fmt.Sprintf("%s:%d: %s%s", s.source.name, line, field, refused.Message))
}

// saveNote notes how far the file is; s.mu is held. Where notes cannot be
// kept, the file is sent all the same, but cannot be resumed.
func (s *sending) saveNote(now time.Time) error {
	s.mu.saved = now
	if err := s.p.writeNote(s.note, s.mu.mark); err != nil {
		s.progress.Print(fmt.Sprintf("cannot note how far %s is: %v", s.source.name, err))
		s.note = ""
	}
	return nil
}
