package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
)

const (
	githubAction   = "../../.github/actions/setup"
	gitlabTemplate = examples + "/gitlab/mender-webhooks.yml"
)

// pipeline runs the installing part of a pipeline with variables, and then a command that
// finds mender-webhooks in PATH. dir is where the part installs to.
type pipeline func(t *testing.T, dir, command string, variables ...string) (string, error)

// TestPipelines installs a release with the GitHub action and the GitLab template: pinned,
// checked, and taken from the cache in the next job.
func TestPipelines(t *testing.T) {
	for name, run := range map[string]pipeline{"GitHub": runAction, "GitLab": runTemplate} {
		t.Run(name, func(t *testing.T) {
			r := newRelease(t)
			sources := func(url string) []string {
				return []string{"MENDER_WEBHOOKS_VERSION=v1.2.3", "MENDER_WEBHOOKS_RELEASES=" + url, "MENDER_WEBHOOKS_INSTALL=" + url + "/install.sh"}
			}
			dir := t.TempDir()
			if out, err := run(t, dir, "mender-webhooks list", sources(r.url)...); err == nil || !strings.Contains(out, "not logged in") {
				t.Fatalf("the next step does not find the program: %v\n%s", err, out)
			}
			if out, err := run(t, dir, "mender-webhooks version", sources("http://127.0.0.1:1")...); err != nil {
				t.Errorf("from the cache: %v\n%s", err, out)
			}
			if out, err := run(t, t.TempDir(), "mender-webhooks version", append(sources(r.url), "MENDER_WEBHOOKS_VERSION=")...); err == nil || !strings.Contains(out, "such as v0.1.0") {
				t.Errorf("without a version: %v\n%s", err, out)
			}
			if out, err := run(t, t.TempDir(), "mender-webhooks version", append(sources(r.url), "MENDER_WEBHOOKS_VERSION=v9.9.9")...); err == nil || !strings.Contains(out, "cannot download") {
				t.Errorf("a release that does not exist: %v\n%s", err, out)
			}
			r.archive = append(bytes.Clone(r.archive), 0)
			if out, err := run(t, t.TempDir(), "mender-webhooks version", sources(r.url)...); err == nil || !strings.Contains(out, "does not match its checksum") {
				t.Errorf("a changed archive: %v\n%s", err, out)
			}
		})
	}
}

// pipelineEnv is the environment of a job whose home cannot be written.
func pipelineEnv(t *testing.T, variables ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/proc/nonexistent", "TMPDIR=" + t.TempDir()}, variables...)
}

// runAction runs the steps of the GitHub action that are shell scripts.
func runAction(t *testing.T, dir, command string, variables ...string) (string, error) {
	t.Helper()
	var action struct {
		Inputs map[string]struct{ Required bool }
		Runs   struct {
			Using string
			Steps []struct {
				Uses, Run, Shell string
				With, Env        map[string]string
			}
		}
	}
	readYAML(t, filepath.Join(githubAction, "action.yml"), &action)
	if steps := action.Runs.Steps; action.Runs.Using != "composite" || !action.Inputs["version"].Required || len(steps) != 2 ||
		steps[0].With["path"] != steps[1].Env["MENDER_WEBHOOKS_DIR"] || !strings.Contains(steps[0].With["key"], "inputs.version") || steps[1].Env["MENDER_WEBHOOKS_VERSION"] != "${{ inputs.version }}" {
		t.Fatalf("the action caches another folder or version than it installs: %+v", action)
	}
	path, err := filepath.Abs(githubAction)
	if err != nil {
		t.Fatal(err)
	}
	next := filepath.Join(t.TempDir(), "path")
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", action.Runs.Steps[1].Run)
	cmd.Env = pipelineEnv(t, append(variables, "MENDER_WEBHOOKS_DIR="+dir, "GITHUB_ACTION_PATH="+path, "GITHUB_PATH="+next)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		if added, _ := os.ReadFile(next); len(added) > 0 {
			t.Errorf("a failed step added %s to PATH", added)
		}
		return string(out), err
	}
	added, err := os.ReadFile(next)
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), "sh", "-e", "-c", command)
	cmd.Env = pipelineEnv(t, "PATH="+strings.TrimSpace(string(added))+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// runTemplate runs a job that extends the GitLab template: its before_script and script
// are one shell script.
func runTemplate(t *testing.T, dir, command string, variables ...string) (string, error) {
	t.Helper()
	var template map[string]struct {
		BeforeScript []string `json:"before_script"`
		Cache        struct {
			Key   string
			Paths []string
		}
	}
	readYAML(t, gitlabTemplate, &template)
	job := template[".mender-webhooks"]
	if len(job.Cache.Paths) != 1 || !strings.Contains(job.Cache.Key, "$MENDER_WEBHOOKS_VERSION") {
		t.Fatalf("the cache: %+v", job.Cache)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", strings.Join(append(job.BeforeScript, command), "\n"))
	cmd.Env = pipelineEnv(t, append(variables, "CI_PROJECT_DIR="+dir)...)
	out, err := cmd.CombinedOutput()
	for _, e := range list(t, dir) {
		if e != strings.TrimSuffix(job.Cache.Paths[0], "/") {
			t.Errorf("%s is not cached", e)
		}
	}
	return string(out), err
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func readYAML(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
