package machine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/valyala/fastjson"
)

// Bounds of what is read and copied to take a rate: much more than the caches
// of a CPU, and over within a second or two.
const (
	memcpyBytes   = 128 << 20
	memcpyRounds  = 5
	jsonBytesMax  = 64 << 20
	jsonRounds    = 3
	jsonLineMax   = 16 << 20
	readerBytes   = 1 << 20
	progressParts = 10
)

// zstdProgram is looked for in the path.
const zstdProgram = "zstd"

// ErrNoZstd says that there is no zstd program.
var ErrNoZstd = errors.New("there is no program zstd in the path")

// Limits is what no log store that reads and keeps the corpus can do better:
// reading its JSON once, with nothing else done; and the size to which a
// general compressor brings it that has all the time and sees all of it at
// once, with no index. 0 is not measured.
type Limits struct {
	MemcpyGBPerSec float64 `json:"memcpyGbPerSecond"`
	JSONMBPerSec   float64 `json:"jsonMbPerSecond"` // one core
	ZstdBytes      int64   `json:"zstdBytes,omitempty"`
	ZstdSeconds    float64 `json:"zstdSeconds,omitempty"`
}

// MemcpyRate returns how many bytes (10^9) one core copies in a second, the
// best of some rounds.
func MemcpyRate() float64 {
	from, to := make([]byte, memcpyBytes), make([]byte, memcpyBytes)
	for i := range from {
		from[i] = byte(i) // pages that were never written are one page of zeros
	}
	best := time.Duration(0)
	for range memcpyRounds {
		start := time.Now()
		copy(to, from)
		if took := time.Since(start); best == 0 || took < best {
			best = took
		}
	}
	return perSecond(memcpyBytes, best) / 1e9
}

// JSONRate returns how many bytes (10^6) of the lines of a file one core
// parses in a second, the best of some rounds. The file is read before the
// clock starts.
func JSONRate(path string) (float64, error) {
	lines, bytes, err := head(path)
	if err != nil {
		return 0, err
	}
	var parser fastjson.Parser
	best := time.Duration(0)
	for range jsonRounds {
		start := time.Now()
		for _, line := range lines {
			if _, err := parser.ParseBytes(line); err != nil {
				return 0, fmt.Errorf("parse line of %s: %w", path, err)
			}
		}
		if took := time.Since(start); best == 0 || took < best {
			best = took
		}
	}
	return perSecond(bytes, best) / 1e6, nil
}

// head reads the first lines of a file.
func head(path string) (lines [][]byte, bytes int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("read head: %w", err)
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(make([]byte, readerBytes), jsonLineMax)
	for bytes < jsonBytesMax && scanner.Scan() {
		if len(scanner.Bytes()) > 0 {
			lines = append(lines, append([]byte(nil), scanner.Bytes()...))
			bytes += int64(len(scanner.Bytes())) + 1
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, 0, fmt.Errorf("read head of %s: %w", path, err)
	}
	return lines, bytes, nil
}

func perSecond(bytes int64, took time.Duration) float64 {
	return float64(bytes) / max(took.Seconds(), 1e-9)
}

// ZstdCommand is how Zstd compresses.
const ZstdCommand = "zstd -19 --long=27"

// Zstd returns the size of what r has, size bytes, under ZstdCommand, and the
// time that took. Progress is called for each tenth. It is an external program
// because the libraries of this language have no such level.
func Zstd(ctx context.Context, r io.Reader, size int64, progress func(percent int)) (bytes int64, took time.Duration, err error) {
	path, err := exec.LookPath(zstdProgram)
	if err != nil {
		return 0, 0, ErrNoZstd
	}
	cmd := exec.CommandContext(ctx, path, "-19", "--long=27", "-q", "-c", "--stream-size="+strconv.FormatInt(size, 10))
	out := &counter{}
	cmd.Stdin = &observed{r: r, size: size, progress: progress}
	cmd.Stdout = out
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, 0, fmt.Errorf("run %s: %w", ZstdCommand, err)
	}
	return out.bytes, time.Since(start), nil
}

// counter counts what is written to it.
type counter struct{ bytes int64 }

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	c.bytes += int64(len(p))
	return len(p), nil
}

// observed reports how much of a reader was read.
type observed struct {
	r        io.Reader
	size     int64
	done     int64
	reported int64
	progress func(percent int)
}

// Read implements io.Reader.
func (o *observed) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	o.done += int64(n)
	if part := o.done * progressParts / max(o.size, 1); part > o.reported {
		o.reported = part
		o.progress(int(part * 100 / progressParts))
	}
	return n, err
}
