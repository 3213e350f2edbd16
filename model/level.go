package model

import "strings"

// Level is a normalised severity, ordered from least to most severe.
type Level uint8

// The levels.
const (
	LevelNone Level = iota // no level given, or none that we know
	LevelTrace
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
	LevelCritical
)

var levelNames = [...]string{"", "trace", "debug", "info", "warn", "error", "critical"}

// String returns the normalised word, "" for LevelNone.
func (l Level) String() string { return levelNames[l] }

// FieldDetectedLevel is the level that a text tells, of records that came without one.
const FieldDetectedLevel = "detected_level"

// IsLevel reports whether the values of a field are levels, which compare by severity.
func IsLevel(field string) bool { return field == FieldLevel || field == FieldDetectedLevel }

// Levels lists the levels in order of severity.
func Levels() []Level {
	return []Level{LevelTrace, LevelDebug, LevelInfo, LevelWarn, LevelError, LevelCritical}
}

// ParseLevel understands the words and abbreviations that loggers use, in any
// case. Numbers are not understood here: their meaning depends on the field.
func ParseLevel(s string) (Level, bool) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "trace", "trc", "finest", "finer", "verbose", "silly", "t", "v", "trace2", "trace3", "trace4":
		return LevelTrace, true
	case "debug", "dbg", "fine", "d", "debug1", "debug2", "debug3", "debug4", "debug5", "config":
		return LevelDebug, true
	case "info", "inf", "information", "informational", "i", "notice", "note", "log", "info2", "info3", "info4", "success", "audit", "statement", "detail":
		return LevelInfo, true
	case "warn", "warning", "wrn", "w", "warn2", "warn3", "warn4":
		return LevelWarn, true
	case "error", "err", "e", "severe", "error2", "error3", "error4", "failure", "eror":
		return LevelError, true
	case "critical", "crit", "c", "fatal", "f", "ftl", "alert", "emerg", "emergency", "panic", "dpanic", "fatal2", "fatal3", "fatal4":
		return LevelCritical, true
	}
	return LevelNone, false
}
