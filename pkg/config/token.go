package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
)

// token resolves the access token, with the precedence in the package comment.
func (l *loader) token(s *Settings) (Token, error) {
	steps := []func(*Settings) (Token, error){l.flagToken, l.envToken, l.profileToken, l.cliToken}
	switch {
	case l.in.OnlyProfile != "":
		steps = []func(*Settings) (Token, error){l.profileToken}
	case l.profileFlag:
		steps[1], steps[2] = steps[2], steps[1]
	}
	for _, step := range steps {
		if t, err := step(s); err != nil || t.Value != "" {
			return t, err
		}
	}
	return Token{Source: SourceNone}, nil
}

func (l *loader) flagToken(*Settings) (Token, error) {
	value, hasValue, err := flagValue(l.in.Flags, "token-value")
	if err != nil {
		return Token{}, err
	}
	file, hasFile, err := flagValue(l.in.Flags, "token")
	switch {
	case err != nil:
		return Token{}, err
	case hasValue && hasFile:
		return Token{}, usagef("pass only one of them", "--token cannot be combined with --token-value")
	case hasValue:
		t, err := checkToken(value)
		if err != nil {
			return Token{}, usagef("", "invalid --token-value: %v", err)
		}
		return Token{Value: t, Source: SourceFlag, From: "--token-value"}, nil
	case hasFile && looksLikeToken(file) && !exists(file):
		return Token{}, usagef("use --token-value, or preferably the variable "+EnvToken,
			"invalid --token: must be the name of a file, but looks like a token")
	case hasFile:
		t, err := l.readToken(file, "--token")
		return Token{Value: t, Source: SourceFlag, From: "--token " + file}, err
	}
	return Token{}, nil
}

// envToken returns the token in the environment, unless --profile selects a server
// other than the one in the environment.
func (l *loader) envToken(s *Settings) (Token, error) {
	if _, ok := l.env.get(EnvServer); ok && l.profileFlag {
		its, _ := l.env.get(EnvServer)
		if named, err := NormalizeServer(its); err != nil || named != s.Server {
			return Token{}, nil //nolint:nilerr // an invalid server cannot be the selected one
		}
	}
	text, ok, err := l.env.setting(EnvToken)
	if err != nil || !ok {
		return Token{}, err
	}
	t, err := checkToken(text)
	if err != nil {
		return Token{}, usagef("", "invalid %s: %v", EnvToken, err)
	}
	return Token{Value: t, Source: SourceEnvironment, From: EnvToken}, nil
}

// profileToken returns the token in the profile, if the profile's server is used, or
// else the token that login stored.
func (l *loader) profileToken(s *Settings) (Token, error) {
	server, bound := l.doc.entry(l.profile, keyServer)
	isToken := func(e entry) bool { return e.key == keyToken || e.key == keyTokenFile }
	if l.in.OnlyProfile != "" && !bound && slices.ContainsFunc(l.doc.entries[l.profile], isToken) {
		return Token{}, usagef("run `mender-webhooks config set server URL --profile "+l.profile+"`",
			"the profile has a token, but no server to send it to")
	}
	if !bound || server.text == s.Server {
		if e, ok := l.doc.entry(l.profile, keyToken); ok {
			return Token{Value: e.text, Source: SourceProfile,
				From: fmt.Sprintf("profile %s, %s:%d", l.profile, l.doc.path, e.line)}, nil
		}
		if e, ok := l.doc.entry(l.profile, keyTokenFile); ok {
			file := l.env.beside(l.doc.path, e.text)
			t, err := l.readToken(file, fmt.Sprintf("%s:%d, token-file", l.doc.path, e.line))
			return Token{Value: t, Source: SourceProfile, From: file}, err
		}
	}
	if l.in.StoredToken == nil {
		return Token{}, nil
	}
	value, err := l.in.StoredToken(s.Account)
	if err != nil {
		return Token{}, fmt.Errorf("look up stored token: %w", err)
	}
	return Token{Value: value, Source: SourceStored, From: "login, profile " + l.profile}, nil
}

func (l *loader) cliToken(s *Settings) (Token, error) {
	value, note := l.cli.tokenFor(s.Server)
	if note != "" {
		s.Notes = append(s.Notes, note)
	}
	return Token{Value: value, Source: SourceMenderCLI, From: l.cli.tokenFile}, nil
}

// readToken reads a token from a file, or from stdin if a flag names the file "-".
func (l *loader) readToken(file, what string) (string, error) {
	text, err := readText(file, l.in.Stdin)
	if err != nil {
		return "", unusable("cannot read the token of "+what, err)
	}
	t, err := checkToken(text)
	if err != nil {
		return "", usagef("", "invalid token in %s (from %s): %v", textfile.Name(file), what, err)
	}
	return t, nil
}

// readText reads a small file, or stdin for "-".
func readText(file string, stdin io.Reader) (string, error) {
	text, err := textfile.Read(context.Background(), file, stdin, maxFile)
	var path *fs.PathError
	if errors.As(err, &path) && looksLikeToken(path.Path) {
		err = path.Err // omits the path, which may be a secret
	}
	return string(text), err
}

// checkToken trims a token and checks that it is valid in a header. The server decides
// whether it is a valid JWT.
func checkToken(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", errors.New("must not be empty")
	}
	for _, r := range text {
		if r <= ' ' || r > '~' {
			return "", errors.New("must be a single word of printable ASCII")
		}
	}
	return text, nil
}

// looksLikeToken reports whether text contains a JWT: three parts separated by dots,
// the first of which is base64 for text that begins with {". It may follow a word such
// as Bearer.
func looksLikeToken(text string) bool {
	for _, word := range strings.Fields(text) {
		if strings.HasPrefix(word, "eyJ") && strings.Count(word, ".") == 2 {
			return true
		}
	}
	return false
}
