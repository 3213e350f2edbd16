package column

import "errors"

// ErrCorrupt says that encoded bytes do not follow their format.
var ErrCorrupt = errors.New("corrupt column")

// ErrTooLong says that decoding would exceed a limit.
var ErrTooLong = errors.New("column is longer than its limit")
