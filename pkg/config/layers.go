package config

import "fmt"

// layer contains the values from one source, by the names of the settings.
type layer struct {
	source Source
	values map[string]string
	from   map[string]string
}

func newLayer(source Source) layer {
	return layer{source: source, values: map[string]string{}, from: map[string]string{}}
}

func (l layer) set(key, text, from string) { l.values[key], l.from[key] = text, from }

func (l *loader) flagLayer() (layer, error) {
	out := newLayer(SourceFlag)
	for _, k := range Keys() {
		text, given, err := flagValue(l.in.Flags, k.Flag)
		if err != nil {
			return layer{}, err
		}
		if !given || !mergeable(k) || k.Name == keyServer && l.in.OnlyProfile != "" {
			continue
		}
		if text, err = k.check(text); err != nil {
			return layer{}, usagef("", "invalid --%s: %v", k.Flag, err)
		}
		out.set(k.Name, text, "--"+k.Flag)
	}
	return out, nil
}

// envLayer reads the environment. It does not read the server if a flag or the profile
// selected with --profile has one, so in that case, an empty variable is not an error.
func (l *loader) envLayer(flags layer) (layer, error) {
	out := newLayer(SourceEnvironment)
	if _, given := flags.values[keyCACert]; !given {
		file, ok, err := l.env.setting(EnvCACert)
		if err != nil {
			return layer{}, err
		}
		if ok {
			out.set(keyCACert, file, EnvCACert)
		}
	}
	_, inFlags := flags.values[keyServer]
	_, inProfile := l.doc.entry(l.profile, keyServer)
	if inFlags || (inProfile && l.profileFlag) || l.in.OnlyProfile != "" {
		return out, nil
	}
	text, ok, err := l.env.setting(EnvServer)
	if err != nil || !ok {
		return out, err
	}
	text, err = NormalizeServer(text)
	if err != nil {
		return layer{}, usagef("", "invalid %s: %v", EnvServer, err)
	}
	out.set(keyServer, text, EnvServer)
	return out, nil
}

func (l *loader) profileLayer() layer {
	out := newLayer(SourceProfile)
	for _, e := range l.doc.entries[l.profile] {
		text := e.text
		if e.key == keyCACert {
			text = l.env.beside(l.doc.path, text)
		}
		if k, _ := profileKey(e.key); mergeable(k) {
			out.set(e.key, text, fmt.Sprintf("profile %s, %s:%d", l.profile, l.doc.path, e.line))
		}
	}
	return out
}

func (l *loader) cliLayer() layer {
	out := newLayer(SourceMenderCLI)
	if l.cli.server != "" {
		out.set(keyServer, l.cli.server, l.cli.file)
	}
	if l.cli.username != "" {
		out.set(keyUsername, l.cli.username, l.cli.file)
	}
	return out
}

func (l *loader) defaultLayer() layer {
	out := newLayer(SourceDefault)
	for _, k := range Keys() {
		if k.Default != "" && mergeable(k) {
			out.set(k.Name, k.Default, "")
		}
	}
	return out
}

// mergeable reports whether a setting is resolved layer by layer. The token is not: it
// has rules of its own.
func mergeable(k Key) bool {
	return k.InProfile && k.Name != keyToken && k.Name != keyTokenFile
}
