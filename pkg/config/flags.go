package config

import (
	"github.com/spf13/pflag"
)

// RegisterFlags adds the global flags that Load reads.
func RegisterFlags(flags *pflag.FlagSet) {
	for _, k := range Keys() {
		switch k.Name {
		case keySkip:
			flags.BoolP(k.Flag, "k", false, k.Doc)
		case keyAllowHTTP, keyNoKeyring:
			flags.Bool(k.Flag, false, k.Doc)
		case keyTimeout:
			flags.Duration(k.Flag, defaultRequestTimeout, k.Doc)
		default:
			if k.Flag != "" {
				flags.String(k.Flag, "", k.Doc+more(k))
			}
		}
	}
}

// more returns the end of a flag's help, which names its variable and default.
func more(k Key) string {
	switch {
	case k.Name == keyServer:
		return " (default " + defaultServer + "; variable " + k.Env + ")"
	case k.Env != "":
		return " (variable " + k.Env + ")"
	}
	return ""
}

// flagValue returns the value of a flag and whether it was given. An empty value, as in
// --server "$UNSET", is an error.
func flagValue(flags *pflag.FlagSet, name string) (text string, given bool, err error) {
	if flags == nil || name == "" {
		return "", false, nil
	}
	f := flags.Lookup(name)
	if f == nil || !f.Changed {
		return "", false, nil
	}
	if f.Value.String() == "" {
		return "", true, usagef("pass a value, or leave the flag out", "--%s is empty", name)
	}
	return f.Value.String(), true, nil
}
