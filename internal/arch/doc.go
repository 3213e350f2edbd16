// Package arch checks that the tree is what ARCHITECTURE.md says. It reads the
// import table and the table of library homes out of that file, parses every Go
// file of the module and reports each deviation as one Fault. Only its own test
// uses it; it imports nothing of ours and keeps no state.
//
// The main type is Tree: the packages of a module as parsed, without types, so
// that the check needs no build and takes a second. Test files may import what
// they like; all rules are about the product's own files.
package arch
