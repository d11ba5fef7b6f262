package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
)

// token finds the access token, by the order that the package's comment tells.
func (l *loader) token(s *Settings) (Token, error) {
	steps := []func(*Settings) (Token, error){l.flagToken, l.envToken, l.profileToken, l.cliToken}
	if l.profileFlag {
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
		return Token{}, usagef("leave one of them out", "--token and --token-value are both given")
	case hasValue:
		t, err := checkToken(value)
		if err != nil {
			return Token{}, usagef("", "--token-value can't be used: %v", err)
		}
		return Token{Value: t, Source: SourceFlag, From: "--token-value"}, nil
	case hasFile && looksLikeToken(file) && !exists(file):
		return Token{}, usagef("use --token-value, or better the variable "+EnvToken,
			"--token wants the name of a file, and was given what looks like the token itself")
	case hasFile:
		t, err := l.readToken(file, "--token")
		return Token{Value: t, Source: SourceFlag, From: "--token " + file}, err
	}
	return Token{}, nil
}

// envToken leaves the variable alone where --profile chose another server
// than the one the environment names, since the token is for that one.
func (l *loader) envToken(s *Settings) (Token, error) {
	if _, ok := l.env.get(EnvServer); ok && l.profileFlag {
		its, _ := l.env.get(EnvServer)
		if named, err := NormalizeServer(its); err != nil || named != s.Server {
			return Token{}, nil //nolint:nilerr // a server that can't be used is another one
		}
	}
	text, ok, err := l.env.setting(EnvToken)
	if err != nil || !ok {
		return Token{}, err
	}
	t, err := checkToken(text)
	if err != nil {
		return Token{}, usagef("", "%s can't be used: %v", EnvToken, err)
	}
	return Token{Value: t, Source: SourceEnvironment, From: EnvToken}, nil
}

// profileToken takes the token that stands in the profile, if the profile's
// server is the one in use, else what the store keeps.
func (l *loader) profileToken(s *Settings) (Token, error) {
	server, bound := l.doc.entry(l.profile, keyServer)
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
	value, err := l.in.StoredToken(s.Server, l.profile)
	if err != nil {
		return Token{}, fmt.Errorf("look for a stored token: %w", err)
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

// readToken reads a file with a token; "-" is standard input where a flag
// names it.
func (l *loader) readToken(file, what string) (string, error) {
	text, err := readText(file, l.in.Stdin)
	if err != nil {
		return "", unusable("can't read the token that "+what+" names", err)
	}
	t, err := checkToken(text)
	if err != nil {
		return "", usagef("", "the token in %s, named by %s, can't be used: %v", nameOf(file), what, err)
	}
	return t, nil
}

func nameOf(file string) string {
	if file == "-" {
		return "standard input"
	}
	return file
}

// readText reads a small file, or standard input for "-".
func readText(file string, stdin io.Reader) (string, error) {
	if file != "-" {
		text, _, err := readFile(file)
		var path *fs.PathError
		if errors.As(err, &path) && looksLikeToken(path.Path) {
			err = path.Err // without the path, which may be the secret itself
		}
		return string(text), err
	}
	if stdin == nil {
		return "", errors.New("there is no standard input")
	}
	text, err := io.ReadAll(io.LimitReader(stdin, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("standard input holds more than %d bytes", maxFile)
	}
	if err != nil {
		return "", err
	}
	text, err = textfile.Decode(text)
	return string(text), err
}

// checkToken makes sure that a token can stand in a header, and takes off
// the white space around it. It need not be a JWT: that is the server's to say.
func checkToken(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", errors.New("it is empty")
	}
	for _, r := range text {
		if r <= ' ' || r > '~' {
			return "", errors.New("it is not one word of plain text, as a token is")
		}
	}
	return text, nil
}

// looksLikeToken tells a JWT: three parts, the first of which is the encoding
// of a text that begins with {". It may follow a word such as Bearer.
func looksLikeToken(text string) bool {
	for _, word := range strings.Fields(text) {
		if strings.HasPrefix(word, "eyJ") && strings.Count(word, ".") == 2 {
			return true
		}
	}
	return false
}
