// Package elastic speaks the part of Elasticsearch's protocol that log shippers
// use: the _bulk request, its answer, and the questions that they ask before.
//
// Its main types are Decoder, which turns a body into a Request, and Request,
// whose Records go to the writer and from which AppendReply makes the answer.
// Handshake answers everything else that shippers ask. Nothing here does I/O;
// request handlers call it from any goroutine.
//
// What becomes of the actions:
//   - create and index store a record, status 201. The action's _index (or that
//     of the path, or DefaultIndex) is its field "_index", the action's _id is
//     "_original._id".
//   - update stores its "doc", or else its "upsert", as a new record, status
//     201: a log store does not change records, and clients take 200 and 201
//     alike.
//   - delete deletes nothing, status 404, "not_found" and no error, which
//     shippers pass over.
//   - A source that cannot be stored has status 400 and an error. The records
//     around it are stored: most shippers cannot cope with anything else.
//   - A line that should be an action and is none refuses the whole request
//     (Error), since what follows cannot be told apart.
//
// Invariants:
//   - The answer has one item for each action, in order, whose only key is the
//     action, and its "items" are never left out, whatever filter_path says.
//   - The body must stay unchanged as long as the records live.
//   - Time is linear in the body and memory bounded by MemoryMax.
package elastic
