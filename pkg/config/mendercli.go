package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// menderCLI contains the settings in mender-cli's files. This program never changes
// those files.
//
// mender-cli reads the first .mender-clirc in /etc/mender-cli, the home folder and the
// working directory. It stores its token, a bare JWT, without the server in
// ${XDG_CACHE_HOME:-$HOME/.cache}/mender/authtoken.
type menderCLI struct {
	file             string // path of the settings file, or empty
	server, username string
	tokenFile        string // or empty
	local            bool   // whether file is in the working directory
	note             string
}

func readMenderCLI(env environment, systemDir, workDir string) menderCLI {
	var m menderCLI
	cache, ok := env.dir("XDG_CACHE_HOME")
	home, hasHome := env.home()
	if !ok && hasHome {
		cache, ok = filepath.Join(home, ".cache"), true
	}
	if token := filepath.Join(cache, "mender", "authtoken"); ok && exists(token) {
		m.tokenFile = token
	}
	dirs := []string{systemDir}
	if hasHome {
		dirs = append(dirs, home)
	}
	for _, dir := range append(dirs, workDir) {
		file := filepath.Join(dir, ".mender-clirc")
		text, err := readText(file, nil)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		m.file, m.local = file, dir == workDir && dir != home
		if err == nil {
			err = m.parse([]byte(text))
		}
		if err != nil {
			m.note = fmt.Sprintf("mender-cli's %s is not used: %v", file, err)
		}
		return m
	}
	return m
}

func (m *menderCLI) parse(text []byte) error {
	var settings struct{ Server, Username string }
	if json.Unmarshal(text, &settings) != nil {
		return errors.New("not valid JSON for mender-cli")
	}
	if settings.Server != "" {
		server, err := NormalizeServer(settings.Server)
		if err != nil {
			return fmt.Errorf("invalid server: %w", err)
		}
		m.server = server
	}
	m.username = settings.Username
	return nil
}

// tokenFor returns mender-cli's token, if it is for the server, and a note for the user
// if it exists but is not used.
//
// Settings in the working directory may have come with a repository, so they must
// not decide where a token is sent.
func (m menderCLI) tokenFor(server string) (token, note string) {
	its := m.server
	if its == "" {
		its = defaultServer
	}
	if m.tokenFile == "" || m.note != "" || its != server {
		return "", ""
	}
	if m.local {
		return "", fmt.Sprintf("mender-cli's token is not used, because the server comes from %s; "+
			"to use it, move that file to your home folder", m.file)
	}
	text, err := readText(m.tokenFile, nil)
	if err == nil {
		token, err = checkToken(text)
	}
	if err != nil {
		return "", fmt.Sprintf("mender-cli's token in %s is not used: %v", m.tokenFile, err)
	}
	return token, ""
}
