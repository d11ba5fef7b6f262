package provision

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

// Files returns the names of the files that the given names stand for, in order. A folder
// stands for its files that end in .yaml, .yml or .json, sorted, without subfolders and
// hidden files. Any other name, even of a missing file, stands for itself. It is a usage error if a folder has no such file.
func Files(names []string) ([]string, error) {
	var files []string
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || !info.IsDir() {
			files = append(files, name)
			continue
		}
		inside, err := filesIn(name)
		if err != nil {
			return nil, err
		}
		files = append(files, inside...)
	}
	return files, nil
}

func filesIn(dir string) ([]string, error) {
	all, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, fault.Usagef("cannot read the folder: %w", err)
	}
	var files []string
	for _, f := range all {
		name := filepath.Join(dir, f.Name())
		if strings.HasPrefix(f.Name(), ".") || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name)) {
			continue
		}
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			continue
		}
		files = append(files, name)
	}
	if len(files) == 0 {
		return nil, fault.WithHint(fault.Usagef("the folder %s has no file that ends in .yaml, .yml or .json", dir),
			"run `mender-webhooks export --all-profiles -d %s` to write one for each profile", dir)
	}
	return files, nil
}
