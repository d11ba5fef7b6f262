package provision

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// Ephemeral marks a webhook that exists only while a command runs. The mark is the
// webhook's description, since Mender has no other field that says who created it
// and until when.
type Ephemeral struct {
	// Run is the random id of the run, 32 hexadecimal digits.
	Run string
	// Expires is when ExpiredIn may count the webhook as left over, in seconds of
	// the server's time.
	Expires time.Time
}

// The text around a mark's values.
const (
	ephemeralPrefix = "mender-webhooks ephemeral run "
	ephemeralMiddle = ", expires "
)

// runSize is the size of a run's id in bytes.
const runSize = 16

// newEphemeral returns the mark of a new run. now is the server's time.
func newEphemeral(now time.Time, ttl time.Duration) Ephemeral {
	run := make([]byte, runSize)
	_, _ = rand.Read(run) // crypto/rand.Read never returns an error
	// A second is added, so that cutting off its fraction never shortens ttl.
	return Ephemeral{Run: hex.EncodeToString(run), Expires: now.Add(ttl + time.Second - 1).UTC().Truncate(time.Second)}
}

// ParseEphemeral returns the mark in a description. It reports false for every text
// that String does not return, so that it never takes a user's description for a mark.
func ParseEphemeral(description string) (Ephemeral, bool) {
	run, expires, _ := strings.Cut(strings.TrimPrefix(description, ephemeralPrefix), ephemeralMiddle)
	id, err := hex.DecodeString(run)
	at, timeErr := time.Parse(time.RFC3339, expires)
	e := Ephemeral{Run: hex.EncodeToString(id), Expires: at}
	return e, err == nil && timeErr == nil && len(id) == runSize && e.String() == description
}

// String returns the mark as a description.
func (e Ephemeral) String() string {
	return ephemeralPrefix + e.Run + ephemeralMiddle + e.Expires.UTC().Format(time.RFC3339)
}

// ExpiredIn splits the integrations that are marked as ephemeral into those that
// expired before now, the server's time, and those that are in use.
func ExpiredIn(all []mender.Integration, now time.Time) (expired, inUse []mender.Integration) {
	for _, i := range all {
		switch e, ok := ParseEphemeral(i.Description); {
		case !ok:
		case e.Expires.Before(now):
			expired = append(expired, i)
		default:
			inUse = append(inUse, i)
		}
	}
	return expired, inUse
}

// EphemeralPlan returns the plan that creates a webhook for one run, which replaces
// w's description with a mark. It is a conflict if the organization has an
// integration already.
func (p *Provisioner) EphemeralPlan(ctx context.Context, w Webhook, ttl time.Duration) (*Plan, error) {
	if err := p.CheckRoom(ctx); err != nil {
		return nil, err
	}
	now, err := p.o.ServerTime(ctx)
	if err != nil {
		return nil, err
	}
	w.Description = newEphemeral(now, ttl).String()
	return p.CreatePlan(w), nil
}

// RunEphemeral executes an ephemeral plan: it creates the webhook, calls run, and
// deletes the webhook, even if ctx ended or run failed. err is why run was not
// called, or what it returned. left is why the webhook may still exist.
func (p *Provisioner) RunEphemeral(ctx context.Context, plan *Plan, run func(created mender.Integration) error) (err, left error) {
	if err := ctx.Err(); err != nil {
		return err, nil
	}
	mark := *plan.Steps[0].entry.description
	created, err := p.createMarked(ctx, plan, mark)
	if created == nil {
		return err, nil
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = run(*created)
	}
	return err, p.dropMarked(ctx, created.ID, mark)
}

// createMarked creates the webhook and reads it back. It returns the webhook if
// there is one to delete, even together with an error. It does not end with ctx: a
// request that is cut off may have an effect after dropMarked has looked.
func (p *Provisioner) createMarked(ctx context.Context, plan *Plan, mark string) (*mender.Integration, error) {
	done, err := p.Apply(context.WithoutCancel(ctx), plan)
	if id := done.Steps[0].NewID; err != nil && id != "" {
		return &mender.Integration{ID: id}, err
	}
	if err != nil && !errors.Is(err, mender.ErrOutcomeUnknown) {
		return nil, err
	}
	look, cancel := finishing(ctx)
	defer cancel()
	found, lookErr := p.marked(look, mark)
	switch {
	case found != nil:
		return found, nil // its mark is unique, so this run created it
	case err == nil:
		created := &mender.Integration{ID: done.Steps[0].NewID}
		if lookErr == nil {
			lookErr = fault.New(fault.Conflict, "someone else deleted the webhook %s that was just created", created.ID)
		}
		return created, lookErr
	}
	e, _ := ParseEphemeral(mark)
	return nil, fault.WithHint(errors.Join(afterLook(err), lookErr), "the webhook may still be created: "+
		"check with `mender-webhooks list`; if it is there, run `mender-webhooks delete --expired` after %s", e.Expires.Format(time.RFC3339))
}

// dropMarked deletes the webhook of a run if it still exists. It searches for the
// mark, since servers before 4.1 give a webhook that someone else created meanwhile
// the same id.
func (p *Provisioner) dropMarked(ctx context.Context, id, mark string) error {
	ctx, cancel := finishing(ctx)
	defer cancel()
	found, err := p.marked(ctx, mark)
	if err == nil && found != nil {
		_, err = p.Apply(ctx, DeletePlan([]mender.Integration{*found}))
	}
	if err == nil {
		return nil
	}
	e, _ := ParseEphemeral(mark)
	return fault.WithHint(fmt.Errorf("the ephemeral webhook %s was not deleted: %w", id, err),
		"delete it with `mender-webhooks delete %s`, or after %s with `mender-webhooks delete --expired`", id, e.Expires.Format(time.RFC3339))
}

// marked returns the integration with exactly this mark, or nil.
func (p *Provisioner) marked(ctx context.Context, mark string) (*mender.Integration, error) {
	all, err := p.o.API.Integrations(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		if i.Description == mark {
			return &i, nil
		}
	}
	return nil, nil
}

// ephemeralHint returns the next step if an ephemeral webhook is in the way of a new
// one, or "" if i is not ephemeral.
func (p *Provisioner) ephemeralHint(ctx context.Context, i mender.Integration) string {
	e, ok := ParseEphemeral(i.Description)
	if !ok {
		return ""
	}
	if p.o.ServerTime != nil {
		if now, err := p.o.ServerTime(ctx); err == nil && e.Expires.Before(now) {
			return fmt.Sprintf("the webhook %s is left over from `create --ephemeral`: run `mender-webhooks delete --expired`", i.ID)
		}
	}
	return fmt.Sprintf("the webhook %s belongs to a run of `create --ephemeral`: wait until the run ends, or run `mender-webhooks delete --expired` after %s",
		i.ID, e.Expires.Format(time.RFC3339))
}
