// Package lookup has lookup tables: what is known of the values of a field besides what
// records say, such as the owner of a host. Table is the main type: a key column, other
// columns, and rows of texts. It reads CSV and JSON, has a saved form of its own
// (Encode, Decode), and becomes the set of a join (Set). Nothing in it changes after it
// was made; it is safe for concurrent use.
package lookup
