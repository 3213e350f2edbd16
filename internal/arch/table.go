package arch

import (
	"fmt"
	"regexp"
	"strings"
)

// Table is what ARCHITECTURE.md allows.
type Table struct {
	// Imports maps a package to the patterns of ours that it may import.
	Imports map[string][]string
	// Homes maps an import path of a library, or a prefix of it, to the
	// patterns of our packages that may use it.
	Homes map[string][]string
	// Planned holds the packages whose row says "(planned)": they may be absent.
	Planned map[string]bool
}

// The headings under which the two tables stand.
const (
	importHeading = "## Import table"
	homeHeading   = "## Library homes"
)

var code = regexp.MustCompile("`([^`]+)`")

// ParseTable reads the tables out of the text of ARCHITECTURE.md: rows of two
// cells, words in backquotes. A pattern ending in "/*" stands for everything
// below a folder, not for the folder itself.
func ParseTable(text string) (Table, error) {
	table := Table{Planned: map[string]bool{}}
	var err error
	if table.Imports, err = parseRows(text, importHeading, table.Planned); err != nil {
		return Table{}, err
	}
	if table.Homes, err = parseRows(text, homeHeading, nil); err != nil {
		return Table{}, err
	}
	return table, nil
}

// parseRows reads the rows under a heading; the packages of rows that say
// "(planned)" are added to planned if there is one.
func parseRows(text, heading string, planned map[string]bool) (map[string][]string, error) {
	rows := map[string][]string{}
	in := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "## ") {
			in = line == heading
		}
		if !in || !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 2 {
			return nil, fmt.Errorf("parse %q: a row has %d cells, want 2: %s", heading, len(cells), line)
		}
		var right []string
		for _, word := range code.FindAllStringSubmatch(cells[1], -1) {
			right = append(right, word[1])
		}
		for _, word := range code.FindAllStringSubmatch(cells[0], -1) {
			if _, twice := rows[word[1]]; twice {
				return nil, fmt.Errorf("parse %q: %s has two rows", heading, word[1])
			}
			rows[word[1]] = right
			if planned != nil && strings.Contains(cells[0], "(planned)") {
				planned[word[1]] = true
			}
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("parse %q: no rows under that heading", heading)
	}
	return rows, nil
}

// allows reports whether one of the patterns stands for the package.
func allows(patterns []string, p string) bool {
	for _, pattern := range patterns {
		if below, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasPrefix(p, below) || pattern == p {
			return true
		}
	}
	return false
}

// home returns the patterns of the longest prefix that has a home.
func (t Table) home(imported string) ([]string, bool) {
	for prefix := imported; prefix != ""; {
		if patterns, ok := t.Homes[prefix]; ok {
			return patterns, true
		}
		cut := strings.LastIndexByte(prefix, '/')
		if cut < 0 {
			break
		}
		prefix = prefix[:cut]
	}
	return nil, false
}
