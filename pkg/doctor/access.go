package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// examineAccess checks that Mender answers, and examines the clocks, the token
// and its permissions.
func (d *doctor) examineAccess(ctx context.Context) bool {
	options := d.Client
	options.Timeout, options.Retry.Retries = min(options.Timeout, checkTime), -1
	var err error
	if d.client, err = mender.New(options); err != nil {
		d.add(failed(fault.Usage, checkServer, "", "%v", err))
		return false
	}
	me, err := d.client.Me(ctx)
	if err != nil && fault.KindOf(err) != fault.Access {
		d.add(failure(checkServer, err, d.Hint(err)))
		d.skip("depends on the server", checkClock, checkToken, checkPermission, checkIntegration)
		return false
	}
	d.add(good(checkServer, "Mender answers"), d.clock())
	token := d.token(me, err)
	d.add(token)
	if token.Status == Failed {
		d.skip("depends on the token", checkPermission, checkIntegration)
		return false
	}
	return true
}

// skewWarning and skewFailure are the differences between the clocks that cause
// a warning and a failure. They make tokens and certificates seem expired or not
// yet valid.
const (
	skewWarning = 5 * time.Second
	skewFailure = 5 * time.Minute
)

func (d *doctor) clock() Finding {
	skew, known := d.client.ClockSkew()
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	text := fmt.Sprintf("the server's clock is %s %s this machine's", output.Duration(skew.Abs()), direction)
	const advice = "synchronize both clocks with NTP: if they differ, tokens and certificates can seem expired or not yet valid"
	switch {
	case !known:
		return unknown(checkClock, "the server does not send its time")
	case skew.Abs() >= skewFailure:
		return failed(fault.Failed, checkClock, advice, "%s", text)
	case skew.Abs() >= skewWarning:
		return warning(checkClock, advice, "%s", text)
	}
	return good(checkClock, "the clocks agree to within %s", output.Duration(max(skew.Abs(), time.Second).Round(time.Second)))
}

// serverNow returns the time by the server's clock, which decides whether a
// token has expired.
func (d *doctor) serverNow() time.Time {
	skew, _ := d.client.ClockSkew()
	return d.Now().Add(skew)
}

// token examines the token. err is the error of a request that used the token,
// or nil.
func (d *doctor) token(me mender.User, err error) Finding {
	switch {
	case d.Client.Token == "":
		return failed(fault.Access, checkToken, d.RenewToken, "no token for %s", d.Client.Server)
	case errors.Is(err, mender.ErrUnauthorized):
		return failed(fault.Access, checkToken, d.Hint(err), "the server refuses it: %v", err)
	case err != nil:
		return failed(fault.Access, checkToken, d.Hint(err), "%v", err)
	}
	whose := fmt.Sprintf("belongs to %s (from %s)", me.Email, d.TokenFrom)
	claims, err := mender.ParseClaims(d.Client.Token)
	switch {
	case err != nil || claims.ExpiresAt.IsZero():
		return good(checkToken, "%s, never expires", whose)
	case claims.ExpiresSoon(d.serverNow()):
		return warning(checkToken, d.RenewToken, "%s, expires in %s", whose, output.Duration(claims.ExpiresAt.Sub(d.serverNow())))
	}
	return good(checkToken, "%s, valid until %s", whose, output.Time(claims.ExpiresAt, true))
}

// permission reports the user's permissions. err is the error of listing the
// integrations, or nil.
func (d *doctor) permission(ctx context.Context, err error) Finding {
	if err != nil {
		return failure(checkPermission, err, d.Hint(err))
	}
	me, err := d.client.Me(ctx)
	switch {
	case err != nil || len(me.Roles) == 0:
		return good(checkPermission, "the user may list integrations; the server names no roles, so permission to change them is unknown")
	case slices.Contains(me.Roles, roleAdmin):
		return good(checkPermission, "the user is an administrator (%s)", roleAdmin)
	}
	return warning(checkPermission, "ask an administrator for a role with this permission if create or update is refused",
		"the user may list integrations; changing them requires the Admin permission, and the roles are %s", strings.Join(me.Roles, ", "))
}

// roleAdmin is the id of Mender's role with all permissions.
const roleAdmin = "RBAC_ROLE_PERMIT_ALL"
