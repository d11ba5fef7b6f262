package cli

import (
	"net/url"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
)

// TargetFlags are the flags for connections to the application, as opposed to
// those to Mender.
type TargetFlags struct {
	skipVerify bool
}

// Register adds the flags to f.
func (o *TargetFlags) Register(f *pflag.FlagSet) {
	f.BoolVar(&o.skipVerify, "target-skip-verify", false, "do not verify the certificate of the application that events are sent to")
}

// ParseURL reads the URL that a flag names as a target.
func ParseURL(flag, text string) (*url.URL, error) {
	u, err := httptarget.ParseURL(text)
	if err != nil {
		return nil, Usagef("%s: %w", flag, err)
	}
	return u, nil
}

// Open returns a target for options in which the URL is set. It trusts the
// authority that --ca-cert names, and warns if certificates are not verified.
func (o TargetFlags) Open(a *App, options httptarget.Options) (*httptarget.Target, error) {
	set, err := a.LocalSettings()
	if err != nil {
		return nil, err
	}
	options.CACertFile, options.SkipVerify = set.CACertFile, o.skipVerify
	if o.skipVerify {
		a.Warn("the application's certificate is not verified (--target-skip-verify)")
	}
	t, err := httptarget.New(options)
	if err != nil {
		return nil, Usagef("--ca-cert: %w", err)
	}
	return t, nil
}
