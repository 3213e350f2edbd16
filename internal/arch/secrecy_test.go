package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// sources calls look for every Go file of the product that is not a test.
func sources(t *testing.T, look func(path string, set *token.FileSet, file *ast.File)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if name == "testdata" || name == "bench" || path != root && strings.HasPrefix(name, ".") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		look(filepath.ToSlash(relative), set, file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestHashesThatCanBeGuessed: who sends records chooses what is hashed. A table over a hash
// that everybody can compute can be made slow by values that collide, so tables are Go's
// maps or over hash/maphash, which both have a seed of their own. Where another hash is
// used, nothing is looked up by it that others are slowed down by.
func TestHashesThatCanBeGuessed(t *testing.T) {
	known := map[string]string{
		"query/exec/agg_distinct.go":      "counts distinct values about: collisions make the count wrong",
		"query/leaf_wire.go":              "a checksum of what nodes tell each other",
		"query/cursor.go":                 "tells queries of cursors apart",
		"storage/segment/build_filter.go": "a filter: collisions have a segment looked into in vain, once",
		"storage/verify.go":               "a sum over records, which replicas compare",
		"ingest/part.go":                  "the shard of a tenant for a key: only of that tenant's own",
		"limit/limiter.go":                "the node that counts a key",
	}
	weak := regexp.MustCompile(`^(hash/(fnv|crc64|adler32)|.*/(xxhash|murmur3?|cityhash|farm|xxh3|siphash)(/v[0-9]+)?)$`)
	sources(t, func(path string, _ *token.FileSet, file *ast.File) {
		for _, imported := range file.Imports {
			name, err := strconv.Unquote(imported.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if !weak.MatchString(name) {
				continue
			}
			if known[path] == "" {
				t.Errorf("%s imports %s, whose values everybody can compute: use hash/maphash, or say here why that slows nobody down", path, name)
			}
			delete(known, path)
		}
	})
	for path := range known {
		t.Errorf("%s imports no such hash any more: take it off the list", path)
	}
}

// TestSecretsAreComparedInConstantTime: where keys and codes are checked, nothing is
// compared by what ends at the first difference.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	secret := regexp.MustCompile(`(?i)^(sum|sums|secret|mac|code|digest|want|given|signature|adminkey|key)$`)
	last := func(e ast.Expr) string {
		switch e := e.(type) {
		case *ast.Ident:
			return e.Name
		case *ast.SelectorExpr:
			return e.Sel.Name
		case *ast.SliceExpr:
			if x, ok := e.X.(*ast.Ident); ok {
				return x.Name
			}
		}
		return ""
	}
	constant := 0
	sources(t, func(path string, set *token.FileSet, file *ast.File) {
		checks := strings.HasPrefix(path, "auth/") || strings.HasPrefix(path, "cluster/link/") || path == "webhook/sender.go"
		if !checks {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				of, ok := n.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				pkg, _ := of.X.(*ast.Ident)
				if pkg == nil {
					return true
				}
				switch pkg.Name + "." + of.Sel.Name {
				case "subtle.ConstantTimeCompare", "hmac.Equal":
					constant++
				case "bytes.Equal", "bytes.Compare", "reflect.DeepEqual", "strings.Compare":
					t.Errorf("%s: %s.%s tells by its time where the difference is", set.Position(n.Pos()), pkg.Name, of.Sel.Name)
				}
			case *ast.BinaryExpr:
				if n.Op == token.EQL || n.Op == token.NEQ {
					a, b := last(n.X), last(n.Y)
					if secret.MatchString(a) && secret.MatchString(b) {
						t.Errorf("%s: %s and %s are compared in a time that depends on them", set.Position(n.Pos()), a, b)
					}
				}
			}
			return true
		})
	})
	if constant < 3 {
		t.Errorf("%d comparisons in constant time were found, want those of API keys, of the admin key and of cluster secrets", constant)
	}
}
