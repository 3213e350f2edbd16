// Package ingest brings decoded records to their shards: it splits large
// requests into blocks, puts small ones together, and makes repeats harmless.
// How bodies become records is the matter of the packages below it.
//
// Its main type is Writer. Request handlers call Write from many goroutines;
// the node implements Shards and owns the Writer's life (NewWriter, Close). The
// Writer runs at most SendersMax goroutines for each tenant and shard that has
// records waiting, and none when idle.
//
// Invariants:
//   - A request that is refused with ErrBusy had no effect at all.
//   - When Write returns without error, every record is stored, at the place
//     that Result names.
//   - Records are read only until Write returns.
//   - A keyed request goes to the same shards under the same keys each time, as
//     long as the tenant's shards are the same; so a repeat stores nothing twice.
//     Without a key, a request that failed half-way may be stored in part.
//   - Bytes and requests in flight are bounded by Config.
//   - Nothing here reads or writes a disk: this package does not know storage.
package ingest
