package config

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// dirName is this tool's folder in the system's places.
const dirName = "mender-webhooks"

// environment is a lookup of variables that may be missing altogether.
type environment func(string) (string, bool)

// get returns a variable that is set and not empty.
func (env environment) get(name string) (string, bool) {
	if env == nil {
		return "", false
	}
	value, ok := env(name)
	return value, ok && value != ""
}

// setting returns a MENDER_ variable that is set. One that is set but blank is
// an error: that is what a missing CI secret looks like.
func (env environment) setting(name string) (string, bool, error) {
	if env == nil {
		return "", false, nil
	}
	value, ok := env(name)
	if ok && strings.TrimSpace(value) == "" {
		return "", false, usagef("give it its value, or unset it; in CI, see that the variable is defined for this job",
			"%s is set but empty", name)
	}
	return value, ok, nil
}

// dir returns a variable that names a folder. The XDG base directory
// specification has relative ones ignored.
func (env environment) dir(name string) (string, bool) {
	value, ok := env.get(name)
	return value, ok && filepath.IsAbs(value)
}

func (env environment) home() (string, bool) {
	if runtime.GOOS == "windows" {
		return env.dir("USERPROFILE")
	}
	return env.dir("HOME")
}

// configDir is $XDG_CONFIG_HOME on every system, else where
// os.UserConfigDir would have it.
func (env environment) configDir() (string, bool) {
	if dir, ok := env.dir("XDG_CONFIG_HOME"); ok {
		return filepath.Join(dir, dirName), true
	}
	if runtime.GOOS == "windows" {
		dir, ok := env.dir("AppData")
		return filepath.Join(dir, dirName), ok
	}
	home, ok := env.home()
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", dirName), ok
	}
	return filepath.Join(home, ".config", dirName), ok
}

// secretsFile is where pkg/secret keeps its file.
func (env environment) secretsFile() string {
	dir, ok := env.dir("XDG_DATA_HOME")
	dir = filepath.Join(dir, dirName)
	if !ok {
		dir, ok = env.configDir()
	}
	if !ok {
		return ""
	}
	return filepath.Join(dir, "secrets.json")
}

// beside resolves a path that stands in a config file: ~ is the home folder,
// and what is relative is so to the file's folder.
func (env environment) beside(configFile, path string) string {
	if home, ok := env.home(); ok && strings.HasPrefix(path, "~/") {
		return filepath.Join(home, path[2:])
	}
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(configFile), path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ConfigFile returns the path of the config file that --config, the
// environment or the system's place for it names, whether or not it exists;
// "" where there is no place.
func ConfigFile(in Input) (string, error) {
	file, given, err := flagValue(in.Flags, "config")
	if err != nil || given {
		return file, err
	}
	env := environment(in.LookupEnv)
	if file, ok, err := env.setting(EnvConfig); ok || err != nil {
		return file, err
	}
	if dir, ok := env.configDir(); ok {
		return filepath.Join(dir, "config.yaml"), nil
	}
	return "", nil
}
