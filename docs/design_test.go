package docs_test

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/mender-webhooks/mender-webhooks/"

// source is the non-test code of the program, by the folder of each package.
type source map[string][]*ast.File

func parseSource(t *testing.T) source {
	t.Helper()
	parsed := source{}
	for _, top := range []string{"cmd", "pkg"} {
		err := filepath.WalkDir(filepath.Join("..", top), func(path string, d fs.DirEntry, err error) error {
			if d != nil && d.Name() == "testdata" {
				return fs.SkipDir
			}
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			dir := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), ".."+string(filepath.Separator)))
			parsed[dir] = append(parsed[dir], file)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return parsed
}

// imports returns the packages of this module that a folder imports.
func (s source) imports(dir string) []string {
	found := map[string]bool{}
	for _, file := range s[dir] {
		for _, spec := range file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if name, ours := strings.CutPrefix(path, module); ours && name != "docs" {
				found[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// TestImportRules checks the rules of docs/design.md.
func TestImportRules(t *testing.T) {
	t.Parallel()
	s := parseSource(t)
	for dir := range s {
		group := strings.HasPrefix(dir, "cmd/") && !strings.Contains(dir, "-") && dir != "cmd/cli"
		for _, other := range s.imports(dir) {
			switch {
			case strings.HasPrefix(dir, "pkg/") && strings.HasPrefix(other, "cmd"):
				t.Errorf("%s imports %s: nothing in pkg may import cmd", dir, other)
			case group && strings.HasPrefix(other, "cmd") && other != "cmd/cli":
				t.Errorf("%s imports %s: a group of commands may import only cmd/cli and pkg", dir, other)
			case dir == "cmd/cli" && strings.HasPrefix(other, "cmd"):
				t.Errorf("%s imports %s: cmd/cli may not know any command", dir, other)
			case strings.HasPrefix(dir, "pkg/internal/") && !strings.HasPrefix(other, "pkg/internal/") && other != "pkg/fault":
				t.Errorf("%s imports %s: pkg/internal may import only pkg/fault", dir, other)
			}
		}
	}
}

var arrow = regexp.MustCompile(`(?m)^(\S+) +→ *(.*)$`)

// TestDesignShowsImports compares the picture in docs/design.md with the code.
// Each line may import only packages below it. pkg/internal is left out.
func TestDesignShowsImports(t *testing.T) {
	t.Parallel()
	s := parseSource(t)
	page, shown := read(t, "design.md"), map[string]string{}
	for _, m := range arrow.FindAllStringSubmatch(page, -1) {
		for _, other := range strings.Split(m[2], ", ") {
			if _, above := shown[other]; above || other == m[1] {
				t.Errorf("design.md: %s imports %s, which must be below it", m[1], other)
			}
		}
		shown[m[1]] = strings.TrimSpace(m[2])
	}
	for dir := range s {
		if strings.HasPrefix(dir, "pkg/internal/") || strings.HasPrefix(dir, "cmd/gen-") {
			continue
		}
		name := strings.TrimPrefix(dir, "pkg/")
		var imports []string
		for _, other := range s.imports(dir) {
			if !strings.HasPrefix(other, "pkg/internal/") {
				imports = append(imports, strings.TrimPrefix(other, "pkg/"))
			}
		}
		if want := cmp.Or(strings.Join(imports, ", "), "nothing"); shown[name] != want {
			t.Errorf("design.md shows other imports than the code has; write:\n%s → %s", name, want)
		}
		if !strings.Contains(page, "**"+name+"**") {
			t.Errorf("design.md does not describe **%s**", name)
		}
		delete(shown, name)
	}
	for name := range shown {
		t.Errorf("design.md shows %s, which does not exist", name)
	}
}

var function = regexp.MustCompile("`([a-z]+)\\.((?:[A-Za-z]+\\.)?[A-Za-z]+)`")

// TestDesignNamesFunctions checks that the functions and methods in
// docs/design.md exist, such as `relay.Queue.Publish`.
func TestDesignNamesFunctions(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for dir, files := range parseSource(t) {
		for _, file := range files {
			for _, d := range file.Decls {
				declare(known, filepath.Base(dir)+".", d)
			}
		}
	}
	for _, m := range function.FindAllStringSubmatch(read(t, "design.md"), -1) {
		if name := m[1] + "." + m[2]; !known[name] {
			t.Errorf("design.md names %s, which does not exist", name)
		}
	}
}

// declare adds the names that a declaration defines. A method's name includes
// its type.
func declare(known map[string]bool, prefix string, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil {
			receiver := d.Recv.List[0].Type
			if star, pointer := receiver.(*ast.StarExpr); pointer {
				receiver = star.X
			}
			if name, plain := receiver.(*ast.Ident); plain {
				prefix += name.Name + "."
			}
		}
		known[prefix+d.Name.Name] = true
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if typ, is := spec.(*ast.TypeSpec); is {
				known[prefix+typ.Name.Name] = true
				if i, is := typ.Type.(*ast.InterfaceType); is {
					for _, method := range i.Methods.List {
						for _, name := range method.Names {
							known[prefix+typ.Name.Name+"."+name.Name] = true
						}
					}
				}
			}
		}
	}
}
