// Package encryption keeps what a node has on disk from whoever has the disk: a
// file system over another one, with AES-256. FS is the main type; Open makes
// one of a data folder and its master keys.
//
// Master keys come from outside (ParseMasters). They wrap the data keys of the
// folder, which are kept in its ring (Ring, docs/format/encryption.md); every
// file has keys of its own, derived from a data key and the file's random id.
//
// Invariants:
//   - No byte that was given to a File reaches the disk as it is.
//   - No byte is handed out that is not the one that was written at this place
//     of this file, under this name: what cannot be proven reads as zeros, and
//     is an error if it is known to have been synced (DamageError).
//   - What was synced is there after a power cut at any moment: no write
//     touches what proves it before something newer has been synced.
//   - A file is written once, from its start to its end, by one File.
//   - A data key goes when no file has it. So what was removed of an owner with
//     keys of its own cannot be read any more, wherever its bytes still are.
//
// An FS and a Ring may be used from any goroutine, a File as vfs says.
package encryption
