// Package query is the way out: it finds records and makes tables of them. A
// request's text is parsed (package syntax), planned (package plan) and run
// over the parts of the tenant's shards (package exec).
//
// Engine is the main type. It holds no data and is safe for concurrent use;
// whoever calls it decides how many queries run at once. Each query has
// budgets (Config); over one, the answer is partial and says so.
//
// Invariants: a query reads parts of its own tenant only, because it names the
// tenant when it asks Shards for them; paging by cursor visits each record
// once, because it goes by time and id, which no two records share.
package query
