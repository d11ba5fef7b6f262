package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// examineAccess checks that the server is a Mender server, the clocks, the token, and
// its permissions.
func (d *Doctor) examineAccess(ctx context.Context, set *config.Settings) (*mender.Client, bool) {
	opts := d.App.ClientOptions(set, set.Token.Value)
	opts.Timeout, opts.Retry.Retries = min(opts.Timeout, checkTime), -1
	client, err := mender.New(opts)
	if err != nil {
		d.add(bad(cli.ExitUsage, checkServer, "", "%v", err))
		return nil, false
	}
	me, err := client.Me(ctx)
	refused := errors.Is(err, mender.ErrUnauthorized) || errors.Is(err, mender.ErrForbidden)
	if err != nil && !refused {
		f := cli.Classify(err)
		d.add(bad(f.Kind, checkServer, f.Hint, "%s", f.Message))
		d.add(skip("the server must be fixed first", checkClock, checkToken, checkPermission, checkIntegration)...)
		return nil, false
	}
	d.add(good(checkServer, "Mender answers"), d.clock(client))
	token := d.token(set, me, err)
	d.add(token)
	if token.Status == Failed {
		d.add(skip("the token must be fixed first", checkPermission, checkIntegration)...)
		return nil, false
	}
	return client, true
}

// The differences between two clocks that cause a warning, and that make tokens and
// certificates appear expired or not yet valid.
const (
	skewWarning = 5 * time.Second
	skewFailure = 5 * time.Minute
)

func (d *Doctor) clock(client *mender.Client) finding {
	skew, known := client.ClockSkew()
	way := "ahead of"
	if skew < 0 {
		way = "behind"
	}
	text := fmt.Sprintf("the server's clock is %s %s this machine's", output.Duration(skew.Abs()), way)
	const advice = "correct the wrong clock and synchronize it with NTP: tokens and certificates may appear expired or not yet valid"
	switch {
	case !known:
		return unknown(checkClock, "the server does not report its time")
	case skew.Abs() >= skewFailure:
		return bad(cli.ExitFailed, checkClock, advice, "%s", text)
	case skew.Abs() >= skewWarning:
		return doubtful(checkClock, advice, "%s", text)
	}
	return good(checkClock, "the clocks agree within %s", output.Duration(max(skew.Abs(), time.Second).Round(time.Second)))
}

func (d *Doctor) token(set *config.Settings, me mender.User, err error) finding {
	switch {
	case set.Token.Value == "":
		return bad(cli.ExitAccess, checkToken, cli.Renewal(set.Token)+"; in a pipeline, set "+config.EnvToken, "no token for %s", set.Server)
	case errors.Is(err, mender.ErrUnauthorized):
		return bad(cli.ExitAccess, checkToken, d.App.TokenHint(), "the server refuses the token: %v", err)
	case err != nil:
		return bad(cli.ExitAccess, checkToken, d.App.RoleHint(), "%v", err)
	}
	claims, err := mender.ParseClaims(set.Token.Value)
	switch {
	case err != nil || claims.ExpiresAt.IsZero():
		return good(checkToken, "token of %s (from %s), never expires", me.Email, set.Token.From)
	case cli.ExpiresSoon(claims, d.App.Now()):
		return doubtful(checkToken, cli.Renewal(set.Token), "token of %s (from %s), expires in %s", me.Email, set.Token.From,
			output.Duration(claims.ExpiresAt.Sub(d.App.Now())))
	}
	return good(checkToken, "token of %s (from %s), valid until %s", me.Email, set.Token.From, output.Time(claims.ExpiresAt, true))
}

// permission reports the user's permissions, as far as listing integrations and the
// user's roles show them.
func (d *Doctor) permission(ctx context.Context, client *mender.Client, err error) finding {
	if err != nil {
		f := cli.Classify(err)
		if errors.Is(err, mender.ErrForbidden) {
			f.Hint = d.App.RoleHint()
		}
		return bad(f.Kind, checkPermission, f.Hint, "%s", f.Message)
	}
	me, err := client.Me(ctx)
	switch {
	case err != nil || len(me.Roles) == 0:
		return good(checkPermission, "the user may list integrations; the server has no roles, so permission to change them shows only on the first change")
	case slices.Contains(me.Roles, roleAdmin):
		return good(checkPermission, "the user is an administrator (%s)", roleAdmin)
	}
	return doubtful(checkPermission, "if create or update is refused, ask an administrator for the role", "the user may list integrations; changing them requires the Admin permission, but the roles are %s", strings.Join(me.Roles, ", "))
}

// roleAdmin is the id of Mender's role with all permissions.
const roleAdmin = "RBAC_ROLE_PERMIT_ALL"
