package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
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
