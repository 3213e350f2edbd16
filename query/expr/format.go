package expr

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// badDirective returns the first piece of a form that says nothing about a
// time, "" if there is none.
func badDirective(form string) string {
	for i := 0; i < len(form); i++ {
		if form[i] != '%' {
			continue
		}
		if i++; i == len(form) {
			return "%"
		}
		if _, ok := directive(time.Time{}, form[i]); !ok {
			return form[i-1 : i+1]
		}
	}
	return ""
}

// formatted writes a time in a form.
func formatted(t time.Time, form string) string {
	var b strings.Builder
	for i := 0; i < len(form); i++ {
		if form[i] != '%' || i+1 == len(form) {
			b.WriteByte(form[i])
			continue
		}
		i++
		text, _ := directive(t, form[i])
		b.WriteString(text)
	}
	return b.String()
}

// directive returns what a letter after a percent sign stands for.
func directive(t time.Time, letter byte) (text string, ok bool) {
	layout := ""
	switch letter {
	case 'Y':
		layout = "2006"
	case 'm':
		layout = "01"
	case 'd':
		layout = "02"
	case 'H':
		layout = "15"
	case 'M':
		layout = "04"
	case 'S':
		layout = "05"
	case 'a':
		layout = "Mon"
	case 'A':
		layout = "Monday"
	case 'b':
		layout = "Jan"
	case 'B':
		layout = "January"
	case 'L':
		return fmt.Sprintf("%03d", t.Nanosecond()/int(time.Millisecond)), true
	case 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/int(time.Microsecond)), true
	case 'j':
		return fmt.Sprintf("%03d", t.YearDay()), true
	case 's':
		return strconv.FormatInt(t.Unix(), 10), true
	case '%':
		return "%", true
	default:
		return "", false
	}
	return t.Format(layout), true
}
