package triage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/stere-log/stere/internal/yamlcheck"
)

// ParseRule reads a rule written in YAML or JSON, completes it and checks it. What is
// wrong is returned as Faults, with the field and where it stands.
func ParseRule(text []byte) (*Rule, error) {
	if len(text) > RuleBytesMax {
		return nil, &Fault{Message: fmt.Sprintf("a rule of %d bytes, at most %d are allowed", len(text), RuleBytesMax)}
	}
	if err := yamlcheck.Check(text); err != nil {
		var at *yamlcheck.Error
		if errors.As(err, &at) {
			return nil, &Fault{Message: at.Message, Line: at.Line, Column: 1}
		}
		return nil, err
	}
	var document, next yaml.Node
	nodes := yaml.NewDecoder(bytes.NewReader(text))
	if err := nodes.Decode(&document); errors.Is(err, io.EOF) || err == nil && document.Kind == 0 {
		return nil, &Fault{Message: "the rule is empty, want YAML or JSON with id, when and actions"}
	} else if err != nil {
		return nil, unreadable(err)
	}
	if err := nodes.Decode(&next); err == nil {
		return nil, &Fault{Message: "more than one document: save one rule at a time", Line: next.Line, Column: 1}
	} else if !errors.Is(err, io.EOF) {
		return nil, unreadable(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	r := &Rule{}
	if err := d.Decode(r); err != nil {
		return nil, misfits(err, &document)
	}
	r.complete()
	err := r.Check()
	for _, f := range Faults(err) {
		if at := nodeAt(&document, f.Field); at != nil {
			f.Line, f.Column = at.Line, at.Column
		}
	}
	return r, err
}

// The errors of the library, which has no other form for where something is wrong.
var (
	unknownIn = regexp.MustCompile(`^field (?s:(.+)) not found in type triage\.(\w+)$`)
	otherKind = regexp.MustCompile("^cannot unmarshal (!!\\w+)(?: `(?s:(.*))`)? into (\\S+)$")
)

// unreadable is the fault of what is neither YAML nor JSON.
func unreadable(err error) error {
	line, why := yamlcheck.Unreadable(err)
	return &Fault{Line: line, Column: min(line, 1), Message: "the rule is neither YAML nor JSON: " + why}
}

// misfits are the faults of a document that has what a rule has not.
func misfits(err error, document *yaml.Node) error {
	var kinds *yaml.TypeError
	if !errors.As(err, &kinds) {
		return unreadable(err)
	}
	var c Checks
	for _, text := range kinds.Errors {
		line, why := yamlcheck.Unreadable(errors.New(text))
		f := &Fault{Line: line, Column: min(line, 1), Message: why}
		if parts := unknownIn.FindStringSubmatch(f.Message); parts != nil {
			known := membersOf(parts[2])
			f.Message = "is not known, want some of " + strings.Join(known, ", ")
			f.find(document, func(key, _ *yaml.Node) bool { return key.Value == parts[1] })
			f.oneOf(parts[1], known)
			if inner := membersOf("Condition"); f.Suggestion == "" && slices.Contains(inner, parts[1]) {
				f.Suggestion = "when." + parts[1]
			}
		} else if parts := otherKind.FindStringSubmatch(f.Message); parts != nil {
			f.Message = "is " + kindOf(parts[1]) + ", want " + wanted(parts[3])
			begin := strings.TrimSuffix(parts[2], "...")
			f.find(document, func(_, value *yaml.Node) bool {
				return value.ShortTag() == parts[1] && strings.HasPrefix(value.Value, begin)
			})
		} else if quoted, err := strconv.QuotedPrefix(f.Message); err == nil {
			value, _ := strconv.Unquote(quoted)
			f.find(document, func(_, node *yaml.Node) bool {
				return node.Kind == yaml.ScalarNode && strings.HasPrefix(node.Value, value)
			})
		}
		c = append(c, f)
	}
	return c.Err()
}

// find completes a fault with the member that satisfies a condition in its line.
func (f *Fault) find(document *yaml.Node, is func(key, value *yaml.Node) bool) {
	var look func(n *yaml.Node, path string) bool
	look = func(n *yaml.Node, path string) bool {
		none := &yaml.Node{}
		for i := 0; i < len(n.Content); i++ {
			key, value, in := none, n.Content[i], path
			switch n.Kind {
			case yaml.MappingNode:
				key, value = n.Content[i], n.Content[i+1]
				in = strings.TrimPrefix(path+"."+key.Value, ".")
				i++
			case yaml.SequenceNode:
				in = fmt.Sprintf("%s[%d]", path, i)
			}
			if at := max(key.Line, value.Line); n.Kind != yaml.DocumentNode && (at == f.Line || key.Line == f.Line) && is(key, value) {
				f.Field, f.Column = in, value.Column
				if key != none {
					f.Column = key.Column
				}
				return true
			}
			if look(value, in) {
				return true
			}
		}
		return false
	}
	look(document, "")
}

// nodeAt returns where a field stands: its key, or that of the innermost object around it
// that is there.
func nodeAt(n *yaml.Node, path string) *yaml.Node {
	if n.Kind == yaml.DocumentNode {
		n = n.Content[0]
	}
	at := n
	for path != "" {
		name, rest, _ := strings.Cut(path, ".")
		name, place, listed := strings.Cut(name, "[")
		value := (*yaml.Node)(nil)
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == name {
				at, value = n.Content[i], n.Content[i+1]
			}
		}
		if value == nil {
			break
		}
		if listed && value.Kind == yaml.SequenceNode {
			if i, err := strconv.Atoi(strings.TrimSuffix(place, "]")); err == nil && i < len(value.Content) {
				at, value = value.Content[i], value.Content[i]
			}
		}
		n, path = value, rest
	}
	return at
}

// membersOf returns the members that an object of a rule can have.
func membersOf(object string) (names []string) {
	for _, of := range []any{Rule{}, Condition{}, Before{}, Anomaly{}, Service{}, Node{}, Storage{}, Quota{}, Action{}, Escalate{}} {
		t := reflect.TypeOf(of)
		for i := 0; t.Name() == object && i < t.NumField(); i++ {
			if name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); name != "-" {
				names = append(names, name)
			}
		}
	}
	return names
}

// kindOf says what a value is that stands in a document.
func kindOf(tag string) string {
	switch tag {
	case "!!seq":
		return "a list"
	case "!!map":
		return "an object"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "nothing"
	}
	return "a text"
}

// wanted says what must stand where a value of a type is.
func wanted(of string) string {
	switch {
	case strings.HasPrefix(of, "[]string"):
		return "a list of texts"
	case strings.HasPrefix(of, "[]"):
		return "a list of objects"
	case of == "string":
		return "a text"
	case of == "bool":
		return "true or false"
	case of == "int":
		return "a whole number"
	case of == "float64":
		return "a number"
	}
	return "an object"
}

// UnmarshalYAML implements yaml.Unmarshaler, so that what is no length of time is told
// with its line and does not hide what else is wrong.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: cannot unmarshal %s into string", n.Line, n.ShortTag())}}
	}
	if err := d.UnmarshalText([]byte(n.Value)); err != nil {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %v", n.Line, err)}}
	}
	return nil
}
