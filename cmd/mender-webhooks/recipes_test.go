//go:build unix

package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// recipes returns the fenced blocks of a page of the docs that are marked as
// recipes.
func recipes(t *testing.T, page string) map[string]string {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join("../../docs", page))
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

// githubSteps returns the scripts of a workflow's job, which must install a pinned release
// and set the variables.
func githubSteps(t *testing.T, text, job string, variables ...string) []step {
	t.Helper()
	var workflow struct {
		Jobs map[string]struct {
			Env   map[string]string
			Steps []struct {
				Name, Uses, Run, If string
				With                map[string]string
			}
		}
	}
	parseYAML(t, text, &workflow)
	var steps []step
	pinned := false
	for _, s := range workflow.Jobs[job].Steps {
		if version, ok := strings.CutPrefix(s.Uses, "mender-webhooks/mender-webhooks/.github/actions/setup@"); ok {
			pinned = release.MatchString(version) && s.With["version"] == version
		}
		if s.Run != "" {
			steps = append(steps, step{s.Name, s.Run})
		}
	}
	if !pinned {
		t.Error("the GitHub recipe does not install a pinned release with the action of that release")
	}
	for _, name := range variables {
		if workflow.Jobs[job].Env[name] == "" {
			t.Errorf("the GitHub recipe does not set %s", name)
		}
	}
	return steps
}

// gitlabJobs returns the jobs of a pipeline, which must install a pinned release.
func gitlabJobs(t *testing.T, text string) func(job string) step {
	t.Helper()
	var pipeline struct {
		Include   []struct{ Remote string }
		Variables map[string]string
	}
	parseYAML(t, text, &pipeline)
	version := pipeline.Variables["MENDER_WEBHOOKS_VERSION"]
	if len(pipeline.Include) != 1 || !release.MatchString(version) ||
		pipeline.Include[0].Remote != "https://raw.githubusercontent.com/mender-webhooks/mender-webhooks/"+version+"/docs/deploy/gitlab/mender-webhooks.yml" {
		t.Errorf("the GitLab recipe does not install a pinned release with the template of that release: %+v", pipeline)
	}
	var jobs map[string]any
	parseYAML(t, text, &jobs)
	return func(name string) step {
		var job struct {
			Extends string
			Script  []string
		}
		own, err := yaml.Marshal(jobs[name])
		if err != nil {
			t.Fatal(err)
		}
		parseYAML(t, string(own), &job)
		if job.Extends != ".mender-webhooks" {
			t.Errorf("the job %s of the GitLab recipe does not install the program", name)
		}
		return step{name, strings.Join(job.Script, "\n")}
	}
}

var release = regexp.MustCompile(`^v\d+\.\d+\.\d+$`)

// TestRecipes runs the scripts of the docs against the sandbox as a pipeline
// would, each time on an empty machine.
func TestRecipes(t *testing.T) {
	t.Parallel()
	all := recipes(t, "provisioning.md")
	steps := githubSteps(t, all["github"], "webhooks", "MENDER_SERVER_URL", "MENDER_SERVER_ACCESS_TOKEN", "HOOK_SECRET")
	script := gitlabJobs(t, all["gitlab"])
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
	extra   []string // variables
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

// TestDeviceRecipes runs the recipes of docs/guides/pipeline-test.md, after a run that was
// killed. The application accepts everything, and the device is one of the sandbox's.
func TestDeviceRecipes(t *testing.T) {
	t.Parallel()
	all := recipes(t, "guides/pipeline-test.md")
	tests := map[string][]step{
		"shell":  {{"script", all["shell"]}},
		"github": githubSteps(t, all["github"], "device", "MENDER_SERVER_URL", "MENDER_SERVER_ACCESS_TOKEN", "APPLICATION_URL"),
		"gitlab": {gitlabJobs(t, all["gitlab"])("device")},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			write := func(name, text string) {
				if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			application := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/start-device" {
					if err := m.sandbox.box.SetStatus([]string{"769e5a83-259c-4506-ab05-9c2564f196fd"}, "accepted"); err != nil {
						t.Error(err)
					}
				}
			}))
			t.Cleanup(application.Close)
			write("device-test.sh", strings.Replace(all["device"], "--timeout 5m", "--timeout 30s", 1))
			write("start-application.sh", "#!/bin/sh\nprintf %s \"$MENDER_WEBHOOK_SECRET\" > secret\n")
			write("start-device.sh", "#!/bin/sh\nmender-webhooks trigger device-provisioned --to $APPLICATION_URL/start-device\n")
			m.run(t, step{"killed", "mender-webhooks create --url https://example.com/ --no-secret " +
				"--description 'mender-webhooks ephemeral run 00112233445566778899aabbccddeeff, expires 2020-01-01T00:00:00Z'"})
			m.extra = []string{"APPLICATION_URL=" + application.URL}
			for _, s := range steps {
				m.run(t, s)
			}
			if left := m.sandbox.ids(t); len(left) != 0 {
				t.Errorf("the recipe leaves %v", left)
			}
			for _, file := range []string{"event.json", "secret"} {
				if text, err := os.ReadFile(filepath.Join(m.dir, file)); err != nil || len(text) == 0 {
					t.Errorf("%s: %q (%v)", file, text, err)
				}
			}
		})
	}
}

func (m machine) run(t *testing.T, s step) {
	t.Helper()
	if s.script == "" {
		t.Fatalf("%s: there is no script", s.name)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", s.script)
	cmd.Dir = m.dir
	// A container may have a home that cannot be written.
	cmd.Env = append(m.sandbox.env(), "PATH="+os.Getenv("PATH"), "HOME=/proc/nonexistent", "HOOK_SECRET=00ff00ff", "GITHUB_STEP_SUMMARY="+filepath.Join(t.TempDir(), "summary"))
	cmd.Env = append(cmd.Env, m.extra...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", s.name, err, out)
	}
}
