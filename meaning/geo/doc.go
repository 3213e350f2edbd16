// Package geo knows where addresses are, from files in the MMDB format that the operator
// has: those of MaxMind and others in their form, of countries, cities, or networks. It is
// the home of maxminddb.
//
// Files is the main type: it reads the files into memory, and again when they change;
// Current returns what they say now, which does not change any more, so that whoever asks
// twice hears the same. A file is read, not mapped: one that is copied over while it is
// mapped would end the process. A Files is safe for concurrent use and owns no goroutine:
// files are looked at by whoever asks, at most every few seconds.
package geo
