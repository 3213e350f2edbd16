package arch

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// Limits of the tree. What is over one of them and has to be stands in Exceptions.
const (
	FileLinesMax     = 700
	FunctionLinesMax = 70
	PackageFilesMax  = 15
)

// Fault is one deviation: where, and what is wrong.
type Fault struct {
	Where string
	What  string
}

// String returns the fault as one line.
func (f Fault) String() string { return f.Where + ": " + f.What }

// Check returns all faults of the tree, sorted. Exceptions maps the name of a
// file ("api/server.go"), a package ("api"), a function ("api.Server.serve") or a
// variable ("api.pool") to the reason why it may be over a limit or hold state;
// one that is not needed is a fault.
func Check(tree *Tree, table Table, exceptions map[string]string) []Fault {
	c := &checker{tree: tree, table: table, exceptions: exceptions, used: map[string]bool{}}
	for _, p := range tree.Packages {
		c.imports(p)
		c.shape(p)
		for _, f := range p.Files {
			c.file(p, f)
		}
	}
	for name := range table.Imports {
		if tree.Packages[name] == nil && !table.Planned[name] {
			c.fault(name, "stands in the import table but is not in the tree")
		}
	}
	for name := range exceptions {
		if !c.used[name] {
			c.fault(name, "has an exception that it does not need")
		}
	}
	c.facts()
	slices.SortFunc(c.faults, func(a, b Fault) int { return strings.Compare(a.String(), b.String()) })
	return c.faults
}

type checker struct {
	tree       *Tree
	table      Table
	exceptions map[string]string
	used       map[string]bool
	faults     []Fault
}

func (c *checker) fault(where, format string, args ...any) {
	c.faults = append(c.faults, Fault{where, fmt.Sprintf(format, args...)})
}

// limit reports a fault unless there is an exception.
func (c *checker) limit(where, what string, have, most int) {
	if have <= most {
		return
	}
	if _, ok := c.exceptions[where]; ok {
		c.used[where] = true
		return
	}
	c.fault(where, "has %d %s, want at most %d", have, what, most)
}

func (c *checker) imports(p *Package) {
	allowed, ok := c.table.Imports[p.Path]
	if !ok {
		c.fault(p.Path, "is not in the import table")
	}
	for _, imported := range p.Imports {
		if own, ok := c.tree.own(imported); ok {
			if !allows(allowed, own) {
				c.fault(p.Path, "imports %s, which its row does not allow", own)
			}
			continue
		}
		if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
			// Of the standard library what is dangerous has a home, which may be nowhere.
			if homes, ok := c.table.Homes[imported]; ok && !allows(homes, p.Path) {
				c.fault(p.Path, "imports %s, whose home is %s", imported, cmp.Or(strings.Join(homes, ", "), "nowhere"))
			}
			continue
		}
		homes, ok := c.table.home(imported)
		if !ok {
			c.fault(p.Path, "imports the library %s, which has no home", imported)
		} else if !allows(homes, p.Path) {
			c.fault(p.Path, "imports the library %s, whose home is %s", imported, strings.Join(homes, ", "))
		}
	}
}

func (c *checker) shape(p *Package) {
	c.limit(p.Path, "files", len(p.Files), PackageFilesMax)
	if !slices.ContainsFunc(p.Files, func(f *File) bool { return f.ast.Doc.Text() != "" }) {
		c.fault(p.Path, "has no package comment")
	}
}

func (c *checker) file(p *Package, f *File) {
	c.limit(f.Path, "lines", f.Lines, FileLinesMax)
	ast.Inspect(f.ast, func(node ast.Node) bool {
		if pair, ok := node.(*ast.KeyValueExpr); ok && isName(pair.Key, "InsecureSkipVerify") {
			c.unverified(p, f)
		}
		if assigned, ok := node.(*ast.AssignStmt); ok {
			for _, left := range assigned.Lhs {
				if isName(left, "InsecureSkipVerify") {
					c.unverified(p, f)
				}
			}
		}
		return true
	})
	for _, decl := range f.ast.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			c.function(p, f, decl)
		case *ast.GenDecl:
			c.general(p, f, decl)
		}
	}
}

// isName reports whether an expression is a name, or ends with it.
func isName(expr ast.Expr, name string) bool {
	if selector, ok := expr.(*ast.SelectorExpr); ok {
		expr = selector.Sel
	}
	ident, ok := expr.(*ast.Ident)
	return ok && ident.Name == name
}

// unverified is a fault where the other side of a TLS connection is not verified, unless
// an exception says who does it instead.
func (c *checker) unverified(p *Package, f *File) {
	where := p.Path + ".InsecureSkipVerify"
	if c.exceptions[where] == "" {
		c.fault(f.Path, "does not verify the other side of a TLS connection")
	}
	c.used[where] = true
}

func (c *checker) function(p *Package, f *File, decl *ast.FuncDecl) {
	name, exported := decl.Name.Name, decl.Name.IsExported()
	if decl.Recv == nil && name == "init" {
		c.fault(f.Path, "has an init function")
	}
	if decl.Recv != nil {
		receiver := receiverName(decl.Recv.List[0].Type)
		name, exported = receiver+"."+name, exported && ast.IsExported(receiver)
	}
	lines := c.tree.files.Position(decl.End()).Line - c.tree.files.Position(decl.Pos()).Line + 1
	c.limit(p.Path+"."+name, "lines", lines, FunctionLinesMax)
	if exported && decl.Doc.Text() == "" {
		c.fault(f.Path, "%s has no comment", name)
	}
}

func receiverName(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.StarExpr:
		return receiverName(expr.X)
	case *ast.IndexExpr:
		return receiverName(expr.X)
	case *ast.IndexListExpr:
		return receiverName(expr.X)
	case *ast.Ident:
		return expr.Name
	}
	return ""
}

// general checks a declaration of constants, variables or types. A comment on
// the group or at the end of the line counts.
func (c *checker) general(p *Package, f *File, decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && decl.Doc.Text() == "" && spec.Doc.Text() == "" && spec.Comment.Text() == "" {
				c.fault(f.Path, "type %s has no comment", spec.Name.Name)
			}
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				if name.IsExported() && decl.Doc.Text() == "" && spec.Doc.Text() == "" && spec.Comment.Text() == "" {
					c.fault(f.Path, "%s has no comment", name.Name)
				}
			}
			if decl.Tok == token.VAR {
				c.variable(p, f, spec)
			}
		}
	}
}

// variable checks a variable at package level: no flags, and nothing of the
// kind that is there to be changed. Two nodes in one process share no state.
func (c *checker) variable(p *Package, f *File, spec *ast.ValueSpec) {
	name := spec.Names[0].Name
	uses := func(expr ast.Expr) bool { return mentions(expr, "flag") }
	if slices.ContainsFunc(spec.Values, uses) {
		c.fault(f.Path, "%s is a flag at package level", name)
	}
	changes := func(expr ast.Expr) bool { return mentions(expr, "sync") || mentions(expr, "atomic") }
	if spec.Type != nil && changes(spec.Type) || slices.ContainsFunc(spec.Values, changes) {
		if where := p.Path + "." + name; c.exceptions[where] == "" {
			c.fault(f.Path, "%s is state at package level", name)
		} else {
			c.used[where] = true
		}
	}
}

// mentions reports whether an expression names something of a package, bodies
// of functions apart.
func mentions(expr ast.Expr, imported string) bool {
	found := false
	ast.Inspect(expr, func(node ast.Node) bool {
		if _, function := node.(*ast.FuncLit); function {
			return false
		}
		if selector, ok := node.(*ast.SelectorExpr); ok {
			if x, ok := selector.X.(*ast.Ident); ok && x.Name == imported {
				found = true
			}
		}
		return !found
	})
	return found
}

// facts checks the two facts that are the architecture, over any distance.
func (c *checker) facts() {
	for _, never := range []struct{ from, to string }{{"ingest", "storage"}, {"raft", "storage"}, {"storage", "raft"}} {
		for p := range c.tree.Packages {
			if !within(p, never.from) {
				continue
			}
			for reached := range c.tree.Reaches(p) {
				if within(reached, never.to) {
					c.fault(p, "reaches %s, but %s must never know %s", reached, never.from, never.to)
				}
			}
		}
	}
}

func within(p, folder string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }
