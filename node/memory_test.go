package node

import (
	"testing"

	"github.com/stere-log/stere/api"
	"github.com/stere-log/stere/node/replica"
)

// All parts full at once are no more than the memory, and all budgets of work
// no more than the target of the collector.
func TestMemoryFits(t *testing.T) {
	for _, bytes := range []int64{64 << 20, 100e6, 256 << 20, DefaultMemory, 1 << 30, 64 << 30} {
		m := DivideMemory(bytes)
		if whole := m.Work + m.SegmentCache + m.HeadCache + m.BlockCache; whole > bytes {
			t.Errorf("%d bytes: the parts have %d", bytes, whole)
		}
		for shards := 1; shards <= 16; shards *= 2 {
			cfg := Config{MemoryBytes: bytes}.withDefaults()
			heads := int64(replica.DefaultHeadFactor*shards) * cfg.shardConfig(cfg.Replica.Env, 0, shards).SealBytes
			if least := int64(replica.DefaultHeadFactor*shards) * sealBytesMin; heads > max(m.Heads, least) {
				t.Errorf("%d bytes: %d shards have heads of %d, want at most %d", bytes, shards, heads, m.Heads)
			}
			if sum := cfg.API.BodyMemory + cfg.API.RecordMemory + heads; heads <= m.Heads && sum > m.Work {
				t.Errorf("%d bytes: bodies, records and heads of %d shards have %d, the target is %d", bytes, shards, sum, m.Work)
			}
			if cfg.API.BodyBytes > cfg.API.BodyMemory || cfg.Ingest.InFlightBytes < cfg.API.RecordMemory {
				t.Errorf("%d bytes: one request does not fit: %+v", bytes, cfg.API)
			}
		}
	}
}

// The default is what the packages have as theirs.
func TestDefaultMemory(t *testing.T) {
	cfg := Config{}.withDefaults()
	if cfg.API.BodyBytes != api.BodyBytesDefault || cfg.API.BodyMemory != api.BodyMemoryDefault || cfg.API.RecordMemory != api.RecordMemoryDefault {
		t.Errorf("limits of the interface are %d, %d and %d", cfg.API.BodyBytes, cfg.API.BodyMemory, cfg.API.RecordMemory)
	}
	if got := cfg.shardConfig(cfg.Replica.Env, 0, DefaultShards).SealBytes; got != replica.DefaultSealBytes {
		t.Errorf("heads are sealed at %d bytes, want %d", got, int64(replica.DefaultSealBytes))
	}
	set := Config{MemoryBytes: 4 << 30, SegmentCacheBytes: 1 << 20}.withDefaults()
	if set.SegmentCacheBytes != 1<<20 || set.HeadCacheBytes != 512<<20 {
		t.Errorf("caches have %d and %d bytes, want what is set and a share", set.SegmentCacheBytes, set.HeadCacheBytes)
	}
}
