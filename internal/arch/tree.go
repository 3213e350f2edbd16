package arch

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Tree is a module: its packages by path relative to the module ("" is the root).
type Tree struct {
	Module   string
	Packages map[string]*Package
	files    *token.FileSet
}

// Package is the product's part of one folder: no tests, no ignored files.
type Package struct {
	Path    string
	Files   []*File
	Imports []string // sorted, without repetition
}

// File is one parsed file.
type File struct {
	Path  string // relative to the module
	Lines int
	ast   *ast.File
}

// Load parses the module in the folder root.
func Load(root string) (*Tree, error) {
	module, err := modulePath(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	tree := &Tree{Module: module, Packages: map[string]*Package{}, files: token.NewFileSet()}
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			if name != root && (base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") {
			return nil
		}
		return tree.add(root, name)
	})
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", root, err)
	}
	for _, p := range tree.Packages {
		slices.Sort(p.Imports)
		p.Imports = slices.Compact(p.Imports)
	}
	return tree, nil
}

func modulePath(name string) (string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read module path: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if module, ok := strings.CutPrefix(line, "module "); ok {
			return strings.TrimSpace(module), nil
		}
	}
	return "", fmt.Errorf("read module path: no module line in %s", name)
}

func (t *Tree) add(root, name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	relative, err := filepath.Rel(root, name)
	if err != nil {
		return err
	}
	relative = filepath.ToSlash(relative)
	parsed, err := parser.ParseFile(t.files, relative, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	if ignored(parsed) {
		return nil
	}
	dir := path.Dir(relative)
	if dir == "." {
		dir = ""
	}
	p := t.Packages[dir]
	if p == nil {
		p = &Package{Path: dir}
		t.Packages[dir] = p
	}
	p.Files = append(p.Files, &File{Path: relative, Lines: strings.Count(string(text), "\n"), ast: parsed})
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("import of %s: %w", relative, err)
		}
		p.Imports = append(p.Imports, imported)
	}
	return nil
}

// ignored reports whether a file is a script: "//go:build ignore".
func ignored(file *ast.File) bool {
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if comment.Pos() > file.Package || !constraint.IsGoBuild(comment.Text) {
				continue
			}
			expr, err := constraint.Parse(comment.Text)
			if err == nil && !expr.Eval(func(tag string) bool { return tag != "ignore" }) {
				return true
			}
		}
	}
	return false
}

// own returns the path within the module of an import, if it is one of ours.
func (t *Tree) own(imported string) (string, bool) {
	if imported == t.Module {
		return "", true
	}
	return strings.CutPrefix(imported, t.Module+"/")
}

// Reaches returns the packages that p imports, directly or not.
func (t *Tree) Reaches(p string) map[string]bool {
	reached := map[string]bool{}
	var visit func(string)
	visit = func(p string) {
		if t.Packages[p] == nil {
			return
		}
		for _, imported := range t.Packages[p].Imports {
			if of, ok := t.own(imported); ok && !reached[of] {
				reached[of] = true
				visit(of)
			}
		}
	}
	visit(p)
	return reached
}
