// Package yamlcheck refuses YAML from others that takes far more than its bytes to decode:
// the library compares every key of a mapping with every other and writes an error for
// each pair that is equal, and follows aliases.
//
// Check does, and Unreadable says where a text is no YAML; both are pure functions.
package yamlcheck

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of documents.
const (
	nodesMax = 20_000
	keysMax  = 500 // of a mapping
	depthMax = 64
)

// Error is what is wrong with a document.
type Error struct {
	Line    int
	Message string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

func fault(at *yaml.Node, format string, args ...any) error {
	return &Error{at.Line, fmt.Sprintf(format, args...)}
}

// Check reports why the documents of a text are not to be decoded. Of what is no YAML it
// says nothing: who decodes it hears that first.
func Check(text []byte) error {
	nodes := 0
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var document yaml.Node
		if err := d.Decode(&document); err != nil {
			return nil // the end, or a fault that the next decoder finds before anything else
		}
		if err := check(&document, 0, &nodes); err != nil {
			return err
		}
	}
}

// The errors of the library, which has no other form for where something is wrong. It counts
// lines from 1 while it looks for tokens, and from 0, those where what is being read begins,
// while it makes something of them.
var (
	lineOf  = regexp.MustCompile(`^(?:yaml: )?line (\d+): (?s:(.+))$`)
	grammar = regexp.MustCompile(`^did not find expected (<|node content|'-' indicator|key|',' or)`)
)

// Unreadable returns where a text is no YAML, from line 1 on, 0 if that is not known, and why.
func Unreadable(err error) (line int, why string) {
	parts := lineOf.FindStringSubmatch(err.Error())
	if parts == nil {
		return 0, strings.TrimPrefix(err.Error(), "yaml: ")
	}
	line, _ = strconv.Atoi(parts[1]) // it has digits alone
	if grammar.MatchString(parts[2]) {
		return line + 1, "in what begins here it " + parts[2]
	}
	return line, parts[2]
}

func check(n *yaml.Node, depth int, nodes *int) error {
	switch *nodes++; {
	case *nodes > nodesMax:
		return fault(n, "there are more than %d values", nodesMax)
	case depth > depthMax:
		return fault(n, "it is nested more than %d deep", depthMax)
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return fault(n, "anchors and aliases are not supported: write the value where it is meant")
	case n.Kind == yaml.MappingNode && len(n.Content) > 2*keysMax:
		return fault(n, "a mapping has %d keys, at most %d are taken", len(n.Content)/2, keysMax)
	}
	lines := map[string]int{}
	for i, one := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && one.Kind == yaml.ScalarNode {
			if line := lines[one.Value]; line != 0 {
				return fault(one, "the key %.80q is there already, in line %d", one.Value, line)
			}
			lines[one.Value] = one.Line
		}
		if err := check(one, depth+1, nodes); err != nil {
			return err
		}
	}
	return nil
}
