package cli

import (
	"net/url"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/trigger"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// TargetFlags are the flags for connections to the application.
type TargetFlags struct {
	skipVerify bool
}

// Register adds the flags to f.
func (o *TargetFlags) Register(f *pflag.FlagSet) {
	f.BoolVar(&o.skipVerify, "target-skip-verify", false, "do not verify the certificate of the application that events are sent to")
}

// Check returns a usage error if the flags are given without a target. flag is the name of
// the flag for the target, and to is its value.
func (o TargetFlags) Check(flag, to string) error {
	if o.skipVerify && to == "" {
		return Usagef("--target-skip-verify requires %s", flag)
	}
	return nil
}

// ParseURL parses the URL of a target from a flag.
func ParseURL(flag, text string) (*url.URL, error) {
	u, err := httptarget.ParseURL(text)
	if err != nil {
		return nil, Usagef("%s: %w", flag, err)
	}
	return u, nil
}

// Open opens a target. options must have a URL. The target also trusts the authorities in
// --ca-cert, and Open warns if certificates are not verified.
func (o TargetFlags) Open(a *App, options httptarget.Options) (*httptarget.Target, error) {
	var err error
	if options.CACertFile, err = o.caCert(a); err != nil {
		return nil, err
	}
	options.SkipVerify = o.skipVerify
	t, err := whileWanted(a, func() (*httptarget.Target, error) { return httptarget.New(options) })
	if err != nil {
		return nil, Usagef("--ca-cert: %w", err)
	}
	return t, nil
}

// Sender returns a sender that delivers events as Mender does. It trusts the same
// certificate authorities as Open.
func (o TargetFlags) Sender(a *App, connections int) (*webhook.Sender, error) {
	file, err := o.caCert(a)
	if err != nil {
		return nil, err
	}
	s, err := whileWanted(a, func() (*webhook.Sender, error) {
		return trigger.NewSender(trigger.SenderOptions{CACertFile: file, SkipVerify: o.skipVerify, Connections: connections})
	})
	if err != nil {
		return nil, Usagef("--ca-cert: %w", err)
	}
	return s, nil
}

// caCert returns the file with additional certificate authorities, and warns if
// certificates are not verified.
func (o TargetFlags) caCert(a *App) (string, error) {
	set, err := a.LocalSettings()
	if err != nil {
		return "", err
	}
	if o.skipVerify {
		a.Warn("the application's certificate is not verified (--target-skip-verify)")
	}
	return set.CACertFile, nil
}
