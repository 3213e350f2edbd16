// Package wal is the append-only log that all Raft groups of a node share: the
// only place where an acknowledged entry is made durable before it is sealed.
// For each group it is a raft.LogStore and a raft.StableStore (GroupLog).
//
// A Log has a few lanes; a group lives in one of them, by its number. A lane is a
// chain of files, written by one goroutine: it drains its queue, writes once,
// syncs once, updates what is in memory and answers (group commit). Everything
// else, reads included, may be called from any goroutine.
//
// Invariants:
//   - A nil error of StoreLogs, Set or DeleteRange of a suffix means synced.
//   - What was synced is there after any crash, or Open fails and names the
//     file and the offset. A torn tail is told from rot by the synced offset
//     that every record carries (docs/format/wal.md).
//   - A file is only ever appended to, never by a second Open, never reused.
//   - Files die oldest first, when no entry in them is needed: those that a
//     truncation frees are gone when it returns.
//   - After a write or sync that failed for any reason but lack of space every
//     call is refused and OnFatal was called once: the process must end.
//   - Lack of space refuses the request (ErrNoSpace) and nothing else; the log
//     goes on in a new file.
//   - The bytes of an entry are kept as they were given and shared with every
//     reader; nobody may change them.
package wal
