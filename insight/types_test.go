package insight

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// TestTypes: no insight is of a type that Types does not have.
func TestTypes(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	added := regexp.MustCompile(`(?:f\.add\(|in\.Type = |Insight\{Type: )"([a-z_]+)"`)
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range added.FindAllSubmatch(text, -1) {
			if found++; !slices.Contains(Types(), string(match[1])) {
				t.Errorf("%s has insights of type %s", file, match[1])
			}
		}
	}
	if found < 13 {
		t.Errorf("found %d", found)
	}
}
