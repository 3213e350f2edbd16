package storage

import (
	"testing"
)

// A snapshot brings another replica to the same manifest and the same answers
// to repeated batches; segments that it lacks are parts that cannot be read.
func TestSnapshotAndRestore(t *testing.T) {
	from := newHistory(t, 11)
	if _, ok, err := from.shard.Snapshot(); ok || err != nil {
		t.Fatalf("snapshot before the first seal: %v, %v", ok, err)
	}
	for range 12 {
		from.append()
	}
	from.seal(nil)
	from.runSeal()
	snapshot, ok, err := from.shard.Snapshot()
	if !ok || err != nil {
		t.Fatalf("snapshot: %v, %v", ok, err)
	}
	to := newHistory(t, 12)
	to.cfg = from.cfg
	to.append() // is replaced
	for range 2 {
		if err := to.shard.Restore(t.Context(), snapshot); err != nil {
			t.Fatal(err)
		}
	}
	state, _ := from.shard.Durable()
	if restored, ok := to.shard.Durable(); !ok || restored.Index != state.Index || restored.DedupNext != state.DedupNext {
		t.Errorf("restored state %+v, want %+v", restored, state)
	}
	st := to.shard.Status()
	if want := len(from.shard.Entries()); st.Segments != want || st.FailedParts != want || st.HeadRows != 0 {
		t.Errorf("status %+v, want %d segments that cannot be read", st, want)
	}
	if same, _, err := to.shard.Snapshot(); err != nil || string(same) != string(snapshot) {
		t.Errorf("the restored shard has another snapshot: %v", err)
	}
	if err := from.shard.Restore(t.Context(), snapshot); err != nil { // one's own: nothing is lost
		t.Fatal(err)
	}
	from.check()
	from.verify()
	for i := range snapshot {
		damaged := append([]byte(nil), snapshot...)
		damaged[i] ^= 0x10
		if err := to.shard.Restore(t.Context(), damaged); err == nil {
			t.Fatalf("a snapshot with byte %d damaged is restored", i)
		}
	}
}

// A snapshot that is taken while seals become durable names the segments of
// its own position and no others: who got later ones with it would store their
// records again from the log.
func TestSnapshotIsOfOneMoment(t *testing.T) {
	h := newHistory(t, 13)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for running := true; running && !t.Failed(); {
			select {
			case <-stop:
				running = false // one more, of the end
			default:
			}
			checkSnapshot(t, h.shard)
		}
	}()
	for range 300 {
		h.append()
		h.seal(nil)
		h.runSeal()
	}
	close(stop)
	<-done
}

func checkSnapshot(t *testing.T, shard *Shard) {
	snapshot, ok, err := shard.Snapshot()
	if err != nil {
		t.Error(err)
	}
	if !ok || err != nil {
		return
	}
	m, err := shard.parseSnapshot(snapshot)
	if err != nil {
		t.Error(err)
	}
	for _, e := range m.entries {
		if e.MaxIndex >= m.state.Index {
			t.Errorf("a snapshot at %d has records of entry %d", m.state.Index, e.MaxIndex)
		}
	}
}
