package result

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// blockPattern is a block of a page: a marker with the path of a report and a
// view, the table, and the end marker.
const blockPattern = `(?s)<!-- bench: (\S+) (\S+) -->\n(.*?)<!-- /bench -->`

// blockStart is in every marker, also in one that is not well formed.
const blockStart = "<!-- bench:"

// Block is a table in a page that a report must equal.
type Block struct {
	Report string // path of the report, relative to the module
	View   View
	Text   string // what stands there
}

// Blocks returns the blocks of a page. A marker without its end is an error.
func Blocks(page string) ([]Block, error) {
	var blocks []Block
	for _, m := range regexp.MustCompile(blockPattern).FindAllStringSubmatch(page, -1) {
		view, err := ParseView(m[2])
		if err != nil {
			return nil, fmt.Errorf("block of %s: %w", m[1], err)
		}
		if strings.Contains(m[3], blockStart) {
			return nil, fmt.Errorf("block of %s has no end", m[1])
		}
		blocks = append(blocks, Block{Report: m[1], View: view, Text: m[3]})
	}
	if n := strings.Count(page, blockStart); n != len(blocks) {
		return nil, fmt.Errorf("page has %d markers and %d whole blocks", n, len(blocks))
	}
	return blocks, nil
}

// Update returns the page with every block as its report, below the folder
// root, says.
func Update(root, page string) (string, error) {
	blocks, err := Blocks(page)
	if err != nil {
		return "", err
	}
	for _, b := range blocks {
		report, err := Read(filepath.Join(root, filepath.FromSlash(b.Report)))
		if err != nil {
			return "", err
		}
		marker := fmt.Sprintf("%s %s %s -->\n", blockStart, b.Report, b.View)
		page = strings.Replace(page, marker+b.Text, marker+report.Markdown(b.View), 1)
	}
	return page, nil
}

// Read reads a report as it was written as JSON. A report with fields that are
// not known is refused: it is of another version, and its table would lie.
func Read(path string) (*Report, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	defer file.Close()
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	var r Report
	if err := decoder.Decode(&r); err != nil {
		return nil, fmt.Errorf("read report %s: %w", path, err)
	}
	if len(r.Runs) == 0 {
		return nil, fmt.Errorf("read report %s: it has no runs", path)
	}
	return &r, nil
}
