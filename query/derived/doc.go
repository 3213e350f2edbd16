// Package derived gives records fields that are made of others: their category, the level
// that their text tells, the attacks that it shows. They are made where the records are,
// when they are asked for, of all records that are stored; a value that a record came
// with wins.
//
// With is the main function: parts with the fields that a request names (MentionsOf). A
// rule says how a field is made of others: of each it keeps what package meaning says of
// its distinct values, of messages what it says of their outlines; then records that
// agree in all of that are one case, and each case is decided once. What cases the
// records of a part are is kept with the part, so that the first question pays and
// others do not. Everything is as safe for concurrent use as the parts are.
package derived
