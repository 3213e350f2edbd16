// Package query is the way out: it finds records and makes tables of them. A
// request's text is parsed (package syntax), planned (package plan) and run
// over the parts of the tenant's shards (package exec).
//
// Engine is the main type. It holds no data and is safe for concurrent use;
// whoever calls it decides how many queries run at once. Each query has
// budgets (Config); over one, the answer is partial and says so.
//
// Shards may be read on other nodes: a View then has a Leaf, which carries the
// bytes of a leaf call to Engine.Leaf there. All shards with one leaf are one
// call, which gets nine tenths of the time that is left, so that what it has by
// then comes in time. Which node is asked, and whether a second one when the
// first is slow, is the leaf's business. What no leaf answers for makes the
// answer incomplete, and its reason names the shards.
//
// Invariants: an answer is the same wherever its shards are read; a query reads parts of its own tenant only, because it names the
// tenant when it asks Shards for them; paging by cursor visits each record
// once, because it goes by time and id, which no two records share.
package query
