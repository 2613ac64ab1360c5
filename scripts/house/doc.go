// Package house holds the house rules of this repository as tests: the import graph, package comments,
// file lengths, and what no source may contain. It has no other code; `make lint` runs it.
package house
