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
	Skipped Status = "skipped" // it depends on a failed check, or it was not requested
	Unknown Status = "unknown" // this machine cannot find out
)

// Finding describes the result of a check.
type Finding struct {
	Check   string `json:"check"`
	Status  Status `json:"status"`
	Finding string `json:"finding"`
	// Next is the user's next step; empty if there is none.
	Next string `json:"next,omitempty"`
	// Kind is the kind of error, if the check failed.
	Kind fault.Kind `json:"-"`
}

// The checks, in the order in which they are reported.
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
	// checkTime is the time limit of one check.
	checkTime = 10 * time.Second
	// certificateWarning is the remaining validity below which a certificate
	// causes a warning.
	certificateWarning = 14 * 24 * time.Hour
)

// Options are the settings of Examine.
type Options struct {
	// Client holds the options of the API client: server, token, certificate
	// authority.
	Client mender.Options
	// Settings describes where the settings come from.
	Settings string
	// TokenFrom describes where the token comes from, and RenewToken how to get
	// a new one.
	TokenFrom, RenewToken string
	// Pick returns the integration to examine.
	Pick func([]mender.Integration) (mender.Integration, error)
	// Secret returns the integration's secret, if this machine has it, and
	// where it comes from.
	Secret func(ctx context.Context, integrationID string) (secret webhook.Secret, from string, err error)
	// Hint returns the user's next step for an error of the API.
	Hint func(error) string
	// Probe enables sending a test event to the webhook's URL.
	Probe bool
	// PublicRoots holds the certificate authorities that Mender's server
	// trusts; nil means those that this machine trusts.
	PublicRoots *x509.CertPool
	// Now returns the time by this machine's clock.
	Now func() time.Time
}

// doctor is one run of all checks.
type doctor struct {
	Options
	client   *mender.Client
	findings []Finding
}

// Examine runs all checks in order and returns their findings.
func Examine(ctx context.Context, o Options) []Finding {
	d := &doctor{Options: o}
	d.add(good(checkSettings, "%s", o.Settings))
	if d.examineServer(ctx) && d.examineAccess(ctx) {
		d.examineWebhook(ctx)
	}
	return d.findings
}

// InvalidSettings returns the findings to show instead of Examine's if the
// settings are invalid. err is the reason.
func InvalidSettings(err error) []Finding {
	d := &doctor{}
	d.add(failure(checkSettings, err, fault.HintOf(err)))
	d.skip("depends on the settings", checkName, checkTLS, checkServer, checkClock, checkToken, checkPermission, checkIntegration)
	return d.findings
}

// FirstFailure returns the kind of the first failure, which is usually the cause
// of the others, or fault.Unspecified if nothing failed.
func FirstFailure(findings []Finding) fault.Kind {
	for _, f := range findings {
		if f.Status == Failed {
			return f.Kind
		}
	}
	return fault.Unspecified
}

func (d *doctor) add(findings ...Finding) { d.findings = append(d.findings, findings...) }

// skip records checks as skipped, and the reason.
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

// failure returns the finding for a check that failed with an error.
func failure(check string, err error, hint string) Finding {
	kind := fault.KindOf(err)
	if kind == fault.Unspecified {
		kind = fault.Failed
	}
	return failed(kind, check, hint, "%v", err)
}
