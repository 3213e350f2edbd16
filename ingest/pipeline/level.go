package pipeline

import "github.com/stere-log/stere/model"

// levelOf reads a value of "level" or "severity": a word, or a number whose
// range says whose it is.
func levelOf(f *model.Field) model.Level {
	if f == nil {
		return model.LevelNone
	}
	switch f.Kind {
	case model.String:
		if l := knownWord(f.Text); l != model.LevelNone {
			return l
		}
		return levelOfNumber(f.Text)
	case model.Number:
		return levelOfNumber(f.Text)
	}
	return model.LevelNone
}

// otherLevelOf reads a field that holds a level only if it is a known one.
func otherLevelOf(f *model.Field, s slot) model.Level {
	if s == slotSeverityNumber {
		if f.Kind != model.Number && f.Kind != model.String {
			return model.LevelNone
		}
		n, ok := smallNumber(f.Text)
		if !ok {
			return model.LevelNone
		}
		return otelLevel(n)
	}
	if f.Kind != model.String {
		return model.LevelNone
	}
	return knownWord(f.Text)
}

// levelTextMax is longer than any word for a level.
const levelTextMax = 32

// knownWord is model.ParseLevel with a way around it for normalised words.
func knownWord(s string) model.Level {
	switch s {
	case "info":
		return model.LevelInfo
	case "debug":
		return model.LevelDebug
	case "error":
		return model.LevelError
	case "warn":
		return model.LevelWarn
	}
	if len(s) > levelTextMax {
		return model.LevelNone
	}
	l, ok := model.ParseLevel(s)
	if !ok {
		return model.LevelNone
	}
	return l
}

// levelOfNumber knows the numbers of syslog (0 to 7), of pino and bunyan (10 to
// 60 by tens) and, for the rest of 1 to 24, of OpenTelemetry.
func levelOfNumber(s string) model.Level {
	n, ok := smallNumber(s)
	if !ok {
		return model.LevelNone
	}
	switch n {
	case 0, 1, 2:
		return model.LevelCritical
	case 3:
		return model.LevelError
	case 4:
		return model.LevelWarn
	case 5, 6:
		return model.LevelInfo
	case 7:
		return model.LevelDebug
	case 10:
		return model.LevelTrace
	case 20:
		return model.LevelDebug
	case 30:
		return model.LevelInfo
	case 40:
		return model.LevelWarn
	case 50:
		return model.LevelError
	case 60:
		return model.LevelCritical
	}
	return otelLevel(n)
}

// otelLevel knows the severity numbers of OpenTelemetry, 1 to 24.
func otelLevel(n int) model.Level {
	switch {
	case n < 1 || n > 24:
		return model.LevelNone
	case n <= 4:
		return model.LevelTrace
	case n <= 8:
		return model.LevelDebug
	case n <= 12:
		return model.LevelInfo
	case n <= 16:
		return model.LevelWarn
	case n <= 20:
		return model.LevelError
	}
	return model.LevelCritical
}

// smallNumber reads one or two decimal digits.
func smallNumber(s string) (int, bool) {
	if len(s) < 1 || len(s) > 2 {
		return 0, false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int(c)
	}
	return n, true
}
