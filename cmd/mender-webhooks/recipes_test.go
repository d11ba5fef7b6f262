//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// recipes returns the fenced blocks of docs/provisioning.md that are marked as
// recipes.
func recipes(t *testing.T) map[string]string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/provisioning.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)<!-- recipe: (\\w+) -->\n```\\w+\n(.*?)\n```\n").FindAllStringSubmatch(string(doc), -1) {
		found[m[1]] = m[2] + "\n"
	}
	return found
}

// step is a script of a pipeline.
type step struct{ name, script string }

// TestRecipes runs the scripts of the docs against the sandbox as a pipeline
// would, each time on an empty machine.
func TestRecipes(t *testing.T) {
	t.Parallel()
	all := recipes(t)
	var github struct {
		Jobs map[string]struct {
			Env   map[string]string
			Steps []struct{ Name, Run, If string }
		}
	}
	parseYAML(t, all["github"], &github)
	var steps []step
	for _, s := range github.Jobs["webhooks"].Steps {
		if s.Run != "" && s.Name != "install" {
			steps = append(steps, step{s.Name, s.Run})
		}
	}
	for _, name := range []string{"MENDER_SERVER_URL", "MENDER_SERVER_ACCESS_TOKEN", "HOOK_SECRET"} {
		if github.Jobs["webhooks"].Env[name] == "" {
			t.Errorf("the GitHub recipe does not set %s", name)
		}
	}
	var gitlab map[string]struct {
		Script []string
	}
	parseYAML(t, all["gitlab"], &gitlab)
	script := func(job string) step { return step{job, strings.Join(gitlab[job].Script, "\n")} }

	tests := map[string]struct {
		steps []step // run on a server without integrations
		again []step // run when the server matches the file
	}{
		"shell":  {steps: []step{{"script", all["shell"]}}, again: []step{{"script", all["shell"]}}},
		"github": {steps: steps, again: steps},
		"gitlab": {steps: []step{script("plan"), script("apply")}, again: []step{script("drift"), script("plan"), script("apply")}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			for _, s := range tt.steps {
				m.run(t, s)
			}
			made := m.sandbox.ids(t)
			if len(made) != 1 {
				t.Fatalf("after the recipe the server has %v", made)
			}
			for _, s := range tt.again {
				m.run(t, s)
			}
			if again := m.sandbox.ids(t); len(again) != 1 || again[0] != made[0] || m.sandbox.writes() != 1 {
				t.Errorf("run again, the server has %v (was %v), after %d writes", again, made, m.sandbox.writes())
			}
		})
	}
}

func parseYAML(t *testing.T, text string, into any) {
	t.Helper()
	if text == "" {
		t.Fatal("a recipe is missing in the docs")
	}
	if err := yaml.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// machine runs scripts in a folder with webhooks.yaml.
type machine struct {
	sandbox *countingSandbox
	dir     string
}

func newMachine(t *testing.T) machine {
	t.Helper()
	m := machine{sandbox: newCountingSandbox(t), dir: t.TempDir()}
	file := "apiVersion: mender-webhooks/v1\nintegrations:\n  - provider: webhook\n    url: https://example.com/mender\n    secret: { env: HOOK_SECRET }\n"
	if err := os.WriteFile(filepath.Join(m.dir, "webhooks.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m machine) run(t *testing.T, s step) {
	t.Helper()
	if s.script == "" {
		t.Fatalf("%s: there is no script", s.name)
	}
	home := t.TempDir() // nothing remains of the previous run
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", s.script)
	cmd.Dir = m.dir
	cmd.Env = append(m.sandbox.env(), "PATH="+os.Getenv("PATH"), "HOME="+home, "HOOK_SECRET=00ff00ff", "GITHUB_STEP_SUMMARY="+filepath.Join(home, "summary"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", s.name, err, out)
	}
}
