package config

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// dirName is the name of this program's folders.
const dirName = "mender-webhooks"

// environment looks up variables; it may be nil.
type environment func(string) (string, bool)

// get returns a variable, and whether it is set and not empty.
func (env environment) get(name string) (string, bool) {
	if env == nil {
		return "", false
	}
	value, ok := env(name)
	return value, ok && value != ""
}

// setting returns a MENDER_ variable and whether it is set. A blank variable is an
// error, since it usually means that a CI secret is missing.
func (env environment) setting(name string) (string, bool, error) {
	if env == nil {
		return "", false, nil
	}
	value, ok := env(name)
	if ok && strings.TrimSpace(value) == "" {
		return "", false, usagef("set a value, or unset it; in CI, check that the variable is defined for this job",
			"%s is set but empty", name)
	}
	return value, ok, nil
}

// dir returns the folder that a variable names. Relative paths are ignored, as the XDG
// base directory specification requires.
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

// configDir returns this program's folder in $XDG_CONFIG_HOME, on every system, or else
// in the folder that os.UserConfigDir would return.
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

// secretsFile returns the path of pkg/secret's file.
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

// beside resolves a path in a config file: ~ is the home folder, and relative paths
// start at the folder of the config file.
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

// ConfigFile returns the path of the config file from --config, the environment or the
// default, even if it does not exist; "" if there is no folder for it.
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
