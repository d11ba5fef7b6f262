// Command licenses checks the licenses of the program's dependencies, and
// writes their texts, which must ship with the binaries:
//
//	go -C .ci/audit run ./licenses [-notices FILE]
//
// It covers the modules linked into the program on each released system, and
// exits with 1 if a module has no license or one that is not allowed.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// allowed lists licenses compatible with a program under Apache-2.0. MPL-2.0
// requires that the source of its files is available; module proxies have it.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "0BSD", "Unlicense"}

func main() {
	notices := flag.String("notices", "", "write the licenses' texts to `FILE`")
	flag.Parse()
	if err := run(*notices); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

type module struct{ Path, Version, Dir string }

func run(notices string) error {
	modules := map[string]module{}
	for _, system := range []string{"linux", "darwin", "windows"} {
		if err := linked(system, modules); err != nil {
			return err
		}
	}
	var out bytes.Buffer
	fmt.Fprintln(&out, "mender-webhooks contains the following modules, each under the license below its name.")
	var failed error
	count := map[string]int{}
	for _, m := range slices.SortedFunc(maps.Values(modules), func(a, b module) int { return cmp.Compare(a.Path, b.Path) }) {
		found, text, err := licensesOf(m)
		failed = errors.Join(failed, err)
		for _, id := range found {
			count[id]++
		}
		fmt.Fprintf(&out, "\n%s\n%s %s (%s)\n\n%s\n", strings.Repeat("-", 78), m.Path, m.Version, strings.Join(found, ", "), text)
	}
	for _, id := range slices.Sorted(maps.Keys(count)) {
		fmt.Printf("%4d  %s\n", count[id], id)
	}
	if failed != nil || notices == "" {
		return failed
	}
	if err := os.MkdirAll(filepath.Dir(notices), 0o755); err != nil {
		return err
	}
	return os.WriteFile(notices, out.Bytes(), 0o644)
}

// linked adds the modules that are linked into the program on a system.
func linked(system string, modules map[string]module) error {
	list := exec.Command("go", "list", "-deps", "-json=Module", "./cmd/mender-webhooks")
	list.Dir = filepath.Join("..", "..")
	list.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
	list.Stderr = os.Stderr
	text, err := list.Output()
	if err != nil {
		return fmt.Errorf("go list for %s: %w", system, err)
	}
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var p struct {
			Module *struct {
				module
				Main bool
			}
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if p.Module != nil && !p.Module.Main {
			modules[p.Module.Path] = p.Module.module
		}
	}
}

// licensesOf returns the ids and the texts of a module's licenses.
func licensesOf(m module) (ids []string, text string, err error) {
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", m.Path, err)
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !strings.HasPrefix(name, "LICEN") && !strings.HasPrefix(name, "COPYING") && !strings.HasPrefix(name, "NOTICE") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(m.Dir, e.Name()))
		if err != nil {
			return nil, "", err
		}
		text += strings.TrimSpace(string(data)) + "\n"
		for _, match := range licensecheck.Scan(data).Match {
			if !match.IsURL && !slices.Contains(ids, match.ID) {
				ids = append(ids, match.ID)
			}
		}
	}
	slices.Sort(ids)
	if len(ids) == 0 {
		return nil, text, fmt.Errorf("%s %s: no license found", m.Path, m.Version)
	}
	for _, id := range ids {
		if !slices.Contains(allowed, id) {
			err = errors.Join(err, fmt.Errorf("%s %s: license %s is not allowed", m.Path, m.Version, id))
		}
	}
	return ids, text, err
}
