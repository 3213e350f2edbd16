package arch_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stere-log/stere/internal/arch"
)

const root = "../.."

func load(t *testing.T, root string) (*arch.Tree, arch.Table) {
	t.Helper()
	tree, err := arch.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	table, err := arch.ParseTable(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return tree, table
}

// TestTreeIsAsDescribed checks the product.
func TestTreeIsAsDescribed(t *testing.T) {
	tree, table := load(t, root)
	for _, fault := range arch.Check(tree, table, arch.Exceptions()) {
		t.Error(fault)
	}
}

// TestIngestDoesNotKnowStorage and the next test state the two facts that are
// the architecture on their own, so that they can be read and fail alone.
func TestIngestDoesNotKnowStorage(t *testing.T) {
	mustNotReach(t, "ingest", "storage")
}

func TestRaftAndStorageDoNotKnowEachOther(t *testing.T) {
	mustNotReach(t, "raft", "storage")
	mustNotReach(t, "storage", "raft")
}

func mustNotReach(t *testing.T, from, to string) {
	t.Helper()
	tree, _ := load(t, root)
	seen := 0
	for p := range tree.Packages {
		if p != from && !strings.HasPrefix(p, from+"/") {
			continue
		}
		seen++
		for reached := range tree.Reaches(p) {
			if reached == to || strings.HasPrefix(reached, to+"/") {
				t.Errorf("%s reaches %s", p, reached)
			}
		}
	}
	if seen == 0 {
		t.Errorf("there is no package under %s: nothing was checked", from)
	}
}

// TestWhatThePageNamesExists checks the files and the tests that ARCHITECTURE.md
// names in backquotes.
func TestWhatThePageNamesExists(t *testing.T) {
	page := readFile(t, filepath.Join(root, "ARCHITECTURE.md"))
	names := regexp.MustCompile("`([a-z0-9_/.]+\\.(?:go|md))`").FindAllStringSubmatch(page, -1)
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(root, name[1])); err != nil {
			t.Errorf("file %s: %v", name[1], err)
		}
	}
	tests := regexp.MustCompile("`(?:([a-z0-9/]+)\\.)(Test\\w+)`").FindAllStringSubmatch(page, -1)
	for _, name := range tests {
		files, err := filepath.Glob(filepath.Join(root, name[1], "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, file := range files {
			found = found || strings.Contains(readFile(t, file), "func "+name[2]+"(t *testing.T)")
		}
		if !found {
			t.Errorf("there is no test %s in %s", name[2], name[1])
		}
	}
	if len(names) < 10 || len(tests) < 5 {
		t.Errorf("found %d files and %d tests on the page: the search is broken", len(names), len(tests))
	}
}

// TestLinksBetweenPagesLeadSomewhere checks the relative links of all pages.
func TestLinksBetweenPagesLeadSomewhere(t *testing.T) {
	links := 0
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		pages, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			for _, link := range regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(readFile(t, page), -1) {
				links++
				if _, err := os.Stat(filepath.Join(filepath.Dir(page), link[1])); err != nil {
					t.Errorf("%s links to %s: %v", page, link[1], err)
				}
			}
		}
	}
	if links < 10 {
		t.Errorf("found %d links: the search is broken", links)
	}
}

// TestCheckFindsEveryKindOfFault runs the check on a small module that does
// everything wrong once, and on one that does not.
func TestCheckFindsEveryKindOfFault(t *testing.T) {
	tree, table := load(t, "testdata/bad")
	exceptions := map[string]string{"storage.tolerated": "the test needs one", "storage.scratch": "so does this", "storage.nosuch": "stale"}
	var got []string
	for _, fault := range arch.Check(tree, table, exceptions) {
		got = append(got, fault.String())
	}
	want := strings.Split(strings.TrimSpace(readFile(t, "testdata/bad/want.txt")), "\n")
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("have the faults\n%s\nwant\n%s", a, b)
	}
}

func TestCheckAcceptsAGoodTree(t *testing.T) {
	tree, table := load(t, "testdata/good")
	if faults := arch.Check(tree, table, nil); len(faults) != 0 {
		t.Errorf("have the faults %v, want none", faults)
	}
}

func TestParseTableRefusesWhatItCannotRead(t *testing.T) {
	const homes = "\n## Library homes\n| `lib.example/x` | `a` |\n"
	for _, test := range []struct{ name, text string }{
		{"no table", "# Title\n" + homes},
		{"no homes", "## Import table\n| `a` | |\n"},
		{"three cells", "## Import table\n| `a` | `b` | `c` |\n" + homes},
		{"two rows", "## Import table\n| `a` | |\n| `a` | `b` |\n" + homes},
	} {
		if _, err := arch.ParseTable(test.text); err == nil {
			t.Errorf("%s: have no error", test.name)
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
