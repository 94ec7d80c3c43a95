package main

import (
	"cmp"
	_ "embed"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A switched package has all its operator mutants at once. Each operator is replaced by a call with the operator's number, and the environment
// variable MUTANT selects the number that behaves differently. So a package is compiled once, not once per mutant, and the conditions of a
// switch's cases can be mutated too.

//go:embed switches.go.txt
var switches string

// edit replaces del bytes at an offset of a file.
type edit struct {
	at, del int
	text    string
}

// switcher rewrites the files of a package.
type switcher struct {
	fset    *token.FileSet
	info    *types.Info
	mutants []string // the position and the change of each number
	edits   []edit
}

// switched returns the files of a package by path, with all mutants in them, and the description of each mutant.
func switched(dir string) (files map[string]string, mutants []string, err error) {
	pkg, err := build.ImportDir(dir, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("find the package in %s: %w", dir, err)
	}
	s := switcher{fset: token.NewFileSet(), info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}}
	var parsed []*ast.File
	for _, name := range pkg.GoFiles {
		f, err := parser.ParseFile(s.fset, filepath.Join(dir, name), nil, 0)
		if err != nil {
			return nil, nil, err
		}
		parsed = append(parsed, f)
	}
	conf := types.Config{Importer: importer.ForCompiler(s.fset, "source", nil)}
	if _, err := conf.Check(dir, s.fset, parsed, s.info); err != nil {
		return nil, nil, fmt.Errorf("check the types of %s: %w", dir, err)
	}
	files = map[string]string{filepath.Join(dir, "switches.go"): "package " + pkg.Name + "\n" + switches}
	for _, f := range parsed {
		path := s.fset.Position(f.Pos()).Filename
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, err
		}
		s.edits = nil
		ast.Walk(s.visitor(), f)
		files[path] = apply(string(text), s.edits)
	}
	return files, s.mutants, nil
}

func apply(text string, edits []edit) string {
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.del, b.del)) })
	var out strings.Builder
	done := 0
	for _, e := range edits {
		out.WriteString(text[done:e.at] + e.text)
		done = e.at + e.del
	}
	return out.String() + text[done:]
}

// visit is a visitor that ast.Walk calls for each node, and with nil after its children.
type visit func(n ast.Node) ast.Visitor

func (v visit) Visit(n ast.Node) ast.Visitor { return v(n) }

func (s *switcher) visitor() ast.Visitor {
	var open []string // the closing text of each open node
	var v visit
	var ends []token.Pos
	v = func(n ast.Node) ast.Visitor {
		if n == nil {
			last := len(open) - 1
			if open[last] != "" {
				s.insert(ends[last], 0, open[last])
			}
			open, ends = open[:last], ends[:last]
			return nil
		}
		if e, ok := n.(ast.Expr); ok && s.info.Types[e].Value != nil {
			return nil // a constant must stay constant
		}
		open, ends = append(open, s.replace(n)), append(ends, n.End())
		return v
	}
	return v
}

func (s *switcher) insert(at token.Pos, del int, text string) {
	s.edits = append(s.edits, edit{s.fset.Position(at).Offset, del, text})
}

// number adds a mutant and returns its number.
func (s *switcher) number(at token.Pos, from, to string) int {
	s.mutants = append(s.mutants, fmt.Sprintf("%s: %s is %s", s.fset.Position(at), from, to))
	return len(s.mutants) // 0 is none
}

var (
	negated  = map[token.Token]string{token.EQL: "!=", token.NEQ: "==", token.LSS: ">=", token.GEQ: "<", token.GTR: "<=", token.LEQ: ">"}
	shifted  = map[token.Token]string{token.LSS: "<=", token.GEQ: ">", token.GTR: ">=", token.LEQ: "<"}
	opposite = map[token.Token]string{token.ADD: "-", token.SUB: "+", token.MUL: "/", token.QUO: "*"}
	names    = map[token.Token]string{
		token.LSS: "Less", token.LEQ: "LessEqual", token.GTR: "Greater", token.GEQ: "GreaterEqual",
		token.ADD: "Add", token.SUB: "Subtract", token.MUL: "Multiply", token.QUO: "Divide",
	}
)

// replace replaces an operator by a call, and returns the closing text of the call.
func (s *switcher) replace(n ast.Node) (closing string) {
	switch n := n.(type) {
	case *ast.IncDecStmt:
		if t := s.info.Types[n.X].Type; t == nil || t.String() != "int" {
			return ""
		}
		assign, other := " += ", "--"
		if n.Tok == token.DEC {
			assign, other = " -= ", "++"
		}
		s.insert(n.TokPos, 2, fmt.Sprintf("%smutantOne(%d)", assign, s.number(n.TokPos, n.Tok.String(), other)))
	case *ast.BinaryExpr:
		return s.replaceBinary(n)
	}
	return ""
}

func (s *switcher) replaceBinary(n *ast.BinaryExpr) (closing string) {
	op := n.Op.String()
	if to, ok := negated[n.Op]; ok {
		s.insert(n.Pos(), 0, fmt.Sprintf("mutantNot(%d, ", s.number(n.OpPos, op, to)))
		closing = ")"
	}
	to, ok := shifted[n.Op]
	if !ok {
		basic, isBasic := s.info.Types[n].Type.Underlying().(*types.Basic)
		if to, ok = opposite[n.Op]; !ok || !isBasic || basic.Info()&types.IsNumeric == 0 {
			return closing
		}
	}
	s.insert(n.Pos(), 0, fmt.Sprintf("mutant%s(%d, ", names[n.Op], s.number(n.OpPos, op, to)))
	s.insert(n.OpPos, len(op), ",")
	return closing + ")"
}
