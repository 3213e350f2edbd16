package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/klauspost/compress/zstd"

	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/pattern"
)

const (
	lineMax      = 4 << 20 // bytes of a line
	costTurns    = 5
	memoryShapes = 100_000
)

// costs measures what learning costs, for each source and for all together: the shapes
// of its lines are given, once each, and returned.
func costs(data string) ([]Cost, []string, error) {
	paths, err := filepath.Glob(filepath.Join(data, "ndjson", "*.ndjson.zst"))
	if err != nil || len(paths) == 0 {
		return nil, nil, fmt.Errorf("no lines in %s: %w", data, os.ErrNotExist)
	}
	var found []Cost
	together := map[string]int{}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".ndjson.zst")
		if strings.HasPrefix(name, "loghub_") {
			continue
		}
		shapes, err := shapesOf(path)
		if err != nil {
			return nil, nil, err
		}
		found = append(found, cost(name, shapes))
		for text, n := range shapes {
			together[text] += n
		}
	}
	return append(found, cost("all", together)), slices.Sorted(maps.Keys(together)), nil
}

// shapesOf counts the shapes of a file of records.
func shapesOf(path string) (map[string]int, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read lines: %w", err)
	}
	defer file.Close()
	reader, err := zstd.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	defer reader.Close()
	lines := bufio.NewScanner(reader)
	lines.Buffer(nil, lineMax)
	shapes := map[string]int{}
	for lines.Scan() {
		var record struct {
			Message string `json:"message"`
		}
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		shapes[shape.MessageOutline(record.Message)]++
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return shapes, nil
}

// cost learns the patterns of shapes and gives every shape its pattern, a few times, of
// which the cheapest counts: other work on the machine only makes it dearer.
func cost(name string, shapes map[string]int) Cost {
	texts := make([]string, 0, len(shapes))
	c := Cost{Name: name, Shapes: len(shapes)}
	for text, n := range shapes {
		texts = append(texts, text)
		c.Lines += n
	}
	slices.Sort(texts)
	for turn := range costTurns {
		runtime.GC()
		before := cpu()
		var none *pattern.Set
		set := none.Learn(pattern.Outlines(texts))
		mapper := set.Mapper()
		used := map[string]struct{}{}
		for _, text := range texts {
			used[mapper.Of(text).ID] = struct{}{}
		}
		took := cpu() - before
		if c.Patterns = len(used); turn == 0 || took < c.CPUSeconds {
			c.CPUSeconds = took
		}
	}
	c.CPUPerMillion = c.CPUSeconds * 1e6 / float64(max(1, c.Lines))
	return c
}

// cpu returns the processor time that the process has used.
func cpu() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// memory measures what a hundred thousand shapes take: those that were found, and
// again behind other words until they are so many.
func memory(shapes []string) Memory {
	texts := slices.Clone(shapes)
	for round := 0; len(texts) < memoryShapes; round++ {
		for _, text := range shapes[:min(len(shapes), memoryShapes-len(texts))] {
			texts = append(texts, strings.Repeat("again ", round+1)+text)
		}
	}
	texts = texts[:memoryShapes]
	before := heap()
	var none *pattern.Set
	start := cpu()
	set := none.Learn(pattern.Outlines(texts))
	m := Memory{Shapes: len(texts), CPUSeconds: cpu() - start, Patterns: len(set.Patterns())}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	m.LearningMB = float64(int64(stats.HeapSys)-int64(before.HeapInuse)) / 1e6
	m.AtRestMB = float64(int64(heap().HeapAlloc)-int64(before.HeapAlloc)) / 1e6
	runtime.KeepAlive(set)
	runtime.KeepAlive(texts)
	return m
}

func heap() (stats runtime.MemStats) {
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats
}
