package redact

import "strings"

// Name is what the name of a field says of its values. The zero value says
// nothing.
type Name struct {
	detector Detector
	whole    Action // what to do with the whole value; Default and Off mean nothing
	weak     bool   // the value must be worth it
	skip     bool   // the field is left alone, whatever is in it
	label    label
}

// acts reports whether the whole value is redacted.
func (n Name) acts() bool { return n.whole > Off }

// Skips reports whether the values of the field are left alone.
func (n Name) Skips() bool { return n.skip }

// Removes reports whether the field goes with its value.
func (n Name) Removes() bool { return n.whole == Remove }

// fieldRule is a FieldRule in small letters.
type fieldRule struct {
	pattern string
	action  Action
}

// ruleFor returns what the first rule that fits a name in small letters does.
func ruleFor(rules []fieldRule, lower string) (action Action, there bool) {
	for _, rule := range rules {
		if rest, any := strings.CutPrefix(rule.pattern, "*."); matches(rule.pattern, lower) || any && matches(rest, lower) {
			return rule.action, true
		}
	}
	return Default, false
}

// NameOf returns what a field's name, as queries have it, says of its values.
func (r *Redactor) NameOf(name string) Name {
	action, there := ruleFor(r.own, strings.ToLower(name))
	switch {
	case !there:
		return r.nameOf(name)
	case r.weaker && action == Off:
		return Name{skip: true}
	case r.weaker:
		return Name{detector: FieldName, whole: action}
	}
	of := r.nameOf(name)
	if action == Off {
		return of
	}
	if action == Partial { // the end of what is not looked into may be that of a secret
		action = Mask
	}
	if of.acts() {
		action = stronger(action, of.whole)
	}
	return Name{detector: FieldName, whole: action}
}

// nameOf is NameOf without what a tenant adds.
func (r *Redactor) nameOf(name string) Name {
	if action, there := ruleFor(r.fields, strings.ToLower(name)); there {
		if action == Off {
			return Name{skip: true}
		}
		return Name{detector: FieldName, whole: action}
	}
	var out Name
	keys := strings.Split(name, ".")
	for i, key := range keys {
		m := meaningOf(string(fold(nil, key)))
		last := i == len(keys)-1
		switch {
		case !m.ok || !r.on(m.detector):
			if last && out.label == 0 {
				out.label = labelIn(key)
			}
		case m.label != 0:
			if last {
				out.label = m.label
			}
		case last || m.detector == Password && !m.weak:
			// What is under a password is a part of it.
			return Name{detector: m.detector, whole: r.actions[m.detector], weak: m.weak}
		}
	}
	return out
}

// matches reports whether a pattern with stars fits a text.
func matches(pattern, text string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	if !strings.HasPrefix(text, first) {
		return false
	}
	text = text[len(first):]
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(part):], after
	}
}
