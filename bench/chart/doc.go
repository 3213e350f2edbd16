// Package chart draws small charts of lines as SVG, side by side, without a
// library: a page of figures needs no more than lines, marks and a scale.
//
// Chart is the main type; Write draws it. There is no state; the same chart
// gives the same bytes.
package chart
