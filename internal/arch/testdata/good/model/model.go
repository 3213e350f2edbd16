// Package model is documented.
package model

// Word is documented.
type Word string
