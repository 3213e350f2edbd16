// Package segmenttest makes segments inside tests.
package segmenttest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment"
)

// Seal makes one segment of parts of a shard; its bytes stay in memory.
func Seal(t testing.TB, shard model.ShardID, parts []part.Part) part.Part {
	t.Helper()
	var inputs []segment.Input
	for _, p := range parts {
		inputs = append(inputs, segment.Input{Part: p})
	}
	stored := map[string][]byte{}
	_, err := segment.Build(t.Context(), inputs, segment.Options{Shard: shard, Level: 1}, func(key, value []byte) error {
		stored[string(key)] = slices.Clone(value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := segment.Open(func(key []byte, use func([]byte) error) error {
		value, ok := stored[string(key)]
		if !ok {
			return fmt.Errorf("no value under %x", key)
		}
		return use(value)
	}, segment.NewCache(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
