// Package proc starts, stops and kills server processes for measurements and
// fault runs, and reads what they used from the operating system.
//
// A Process is started once; its methods may be called from any goroutine.
// Every wait has a limit. Figures come from /proc and exist on Linux only;
// elsewhere they are ErrUnsupported.
package proc
