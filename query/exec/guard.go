package exec

import (
	"fmt"
	"runtime"
	"strings"
)

// PanicError is a panic that became the error of the query that met it. It is
// always a fault of the program, and never of the query.
type PanicError struct {
	Value any    // of the panic
	Place string // function, file and line
}

// Error implements error.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v (in %s)", e.Value, e.Place) }

// Guard calls do and returns its error; a panic in it becomes a *PanicError,
// so that one query cannot end the process.
func Guard(do func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Place: panicPlace()}
		}
	}()
	return do()
}

// placeDepth is how many frames are searched for the one that panicked.
const placeDepth = 32

// panicPlace returns where the panic began that is being recovered: below the
// frames of the runtime that follow this package's.
func panicPlace() string {
	callers := make([]uintptr, placeDepth)
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers)])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "runtime.") {
			return fmt.Sprintf("%s, %s:%d", frame.Function, frame.File[strings.LastIndexByte(frame.File, '/')+1:], frame.Line)
		}
		if !more {
			return "unknown"
		}
	}
}
