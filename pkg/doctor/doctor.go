// Package doctor finds problems between this machine and a working webhook.
//
//	for _, f := range doctor.Examine(ctx, doctor.Options{Server: set.Server, …}) {
//
// It changes nothing. Checks that depend on one that failed are skipped.
package doctor

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Status is the result of a check.
type Status string

// The results of a check.
const (
	OK      Status = "ok"
	Warning Status = "warning"
	Failed  Status = "failed"
	Skipped Status = "skipped" // a check that it depends on failed, or it was not asked for
	Unknown Status = "unknown" // it cannot be found out from this machine
)

// Finding is the result of a check, in words.
type Finding struct {
	Check   string `json:"check"`
	Status  Status `json:"status"`
	Finding string `json:"finding"`
	// Next is the user's next step, or empty.
	Next string `json:"next,omitempty"`
	// Kind is the kind of a failure.
	Kind fault.Kind `json:"-"`
}

// The checks, in their order.
const (
	checkSettings    = "settings"
	checkName        = "name"
	checkTLS         = "tls"
	checkServer      = "server"
	checkClock       = "clock"
	checkToken       = "token"
	checkPermission  = "permission"
	checkIntegration = "integration"
	checkSecret      = "secret"
	checkAddress     = "address"
	checkReceiver    = "receiver"
	checkProbe       = "probe"
	checkDeliveries  = "deliveries"
	checkBeyond      = "beyond"
)

const (
	// checkTime bounds one check.
	checkTime = 10 * time.Second
	// certificateWarning is how long before its end a certificate draws a
	// warning.
	certificateWarning = 14 * 24 * time.Hour
)

// Options are the settings of Examine.
type Options struct {
	// Client are the options of the API client: server, token, authority.
	Client mender.Options
	// Settings describes where the settings come from.
	Settings string
	// TokenFrom is where the token comes from, and RenewToken how to get a new
	// one.
	TokenFrom, RenewToken string
	// TokenExpiresSoon reports whether a token draws a warning at the server's
	// time.
	TokenExpiresSoon func(claims mender.Claims, now time.Time) bool
	// Pick returns the integration to examine.
	Pick func([]mender.Integration) (mender.Integration, error)
	// Secret returns the integration's secret, if this machine has it, and
	// where it comes from.
	Secret func(ctx context.Context, integrationID string) (secret webhook.Secret, from string, err error)
	// Hint returns the next step for an error of the API.
	Hint func(error) string
	// Probe sends a test event to the webhook's URL.
	Probe bool
	// PublicRoots are the authorities that Mender's server trusts; nil means
	// this machine's.
	PublicRoots *x509.CertPool
	// Now is this machine's clock.
	Now func() time.Time
}

// doctor is a round of checks.
type doctor struct {
	Options
	client   *mender.Client
	findings []Finding
}

// Examine makes all checks in order and returns their findings.
func Examine(ctx context.Context, o Options) []Finding {
	d := &doctor{Options: o}
	d.add(good(checkSettings, "%s", o.Settings))
	if d.examineServer(ctx) && d.examineAccess(ctx) {
		d.examineWebhook(ctx)
	}
	return d.findings
}

// InvalidSettings returns the findings if the settings cannot be used.
func InvalidSettings(err error) []Finding {
	d := &doctor{}
	d.add(failure(checkSettings, err, fault.HintOf(err)))
	d.skip("depends on the settings", checkName, checkTLS, checkServer, checkClock, checkToken, checkPermission, checkIntegration)
	return d.findings
}

// FirstFailure returns the kind of the first failure, which tends to be the
// cause of the others, or fault.Unspecified if nothing failed.
func FirstFailure(findings []Finding) fault.Kind {
	for _, f := range findings {
		if f.Status == Failed {
			return f.Kind
		}
	}
	return fault.Unspecified
}

func (d *doctor) add(findings ...Finding) { d.findings = append(d.findings, findings...) }

// skip records checks that are not made.
func (d *doctor) skip(why string, checks ...string) {
	for _, check := range checks {
		d.add(Finding{Check: check, Status: Skipped, Finding: why})
	}
}

func good(check, format string, args ...any) Finding {
	return Finding{Check: check, Status: OK, Finding: fmt.Sprintf(format, args...)}
}

func warning(check, next, format string, args ...any) Finding {
	return Finding{Check: check, Status: Warning, Finding: fmt.Sprintf(format, args...), Next: next}
}

func failed(kind fault.Kind, check, next, format string, args ...any) Finding {
	return Finding{Check: check, Status: Failed, Finding: fmt.Sprintf(format, args...), Next: next, Kind: kind}
}

func unknown(check, format string, args ...any) Finding {
	return Finding{Check: check, Status: Unknown, Finding: fmt.Sprintf(format, args...)}
}

// failure returns the finding for an error.
func failure(check string, err error, hint string) Finding {
	kind := fault.KindOf(err)
	if kind == fault.Unspecified {
		kind = fault.Failed
	}
	return failed(kind, check, hint, "%v", err)
}
