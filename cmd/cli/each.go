package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// profilesAtOnce is how many profiles a command works with at the same time.
const profilesAtOnce = 8

// ProfilesError has the errors of some of several profiles. The exit code is theirs if all
// have the same, and otherwise 1.
type ProfilesError struct{ Failures []ProfileFailure }

// ProfileFailure is the error of one profile.
type ProfileFailure struct {
	App *App
	Err error
}

// Error returns all errors on one line.
func (e *ProfilesError) Error() string {
	texts := make([]string, len(e.Failures))
	for i, f := range e.Failures {
		texts[i] = fmt.Sprintf("profile %s: %v", f.App.profile, f.Err)
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the errors of all profiles.
func (e *ProfilesError) Unwrap() []error {
	errs := make([]error, len(e.Failures))
	for i, f := range e.Failures {
		errs[i] = f.Err
	}
	return errs
}

// JoinProfiles joins the errors of several calls of Each, sorted by profile. Any other
// error takes precedence.
func JoinProfiles(errs ...error) error {
	all := &ProfilesError{}
	for _, err := range errs {
		var some *ProfilesError
		switch {
		case err == nil:
		case errors.As(err, &some):
			all.Failures = append(all.Failures, some.Failures...)
		default:
			return err
		}
	}
	if len(all.Failures) == 0 {
		return nil
	}
	slices.SortStableFunc(all.Failures, func(a, b ProfileFailure) int { return strings.Compare(a.App.profile, b.App.profile) })
	return all
}

// Each calls do for each item, for several at the same time, and waits for all. It returns
// the results in the order of the items, without those that failed, and a *ProfilesError
// if any did. A result that comes with a *SilentError is returned, too. app returns the
// app of an item; if it is not one of several, its error is returned as it is.
func Each[S, T any](ctx context.Context, items []S, app func(S) *App, do func(context.Context, S) (T, error)) ([]T, error) {
	values, errs := make([]T, len(items)), make([]error, len(items))
	slots := make(chan struct{}, profilesAtOnce)
	var running sync.WaitGroup
	for i, item := range items {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			if errs[i] = ctx.Err(); errs[i] == nil {
				values[i], errs[i] = do(ctx, item)
			}
		})
	}
	running.Wait()
	var done []T
	failed := &ProfilesError{}
	for i, err := range errs {
		var silent *SilentError
		if err == nil || errors.As(err, &silent) {
			done = append(done, values[i])
		}
		if err != nil {
			failed.Failures = append(failed.Failures, ProfileFailure{app(items[i]), err})
		}
	}
	switch {
	case len(failed.Failures) == 0:
		return done, nil
	case len(items) == 1 && app(items[0]).profile == "":
		return done, errs[0]
	}
	return done, failed
}

// Shown is what a command prints about a profile: a view on stdout, then a note on stderr.
type Shown struct {
	output.View
	Note string
}

// Merge joins the views of several profiles: output.MergeRows or output.MergeSections.
type Merge func(key string, views []output.View) (output.View, error)

// PrintEach calls do once or, with --all-profiles, for each profile, and prints the views,
// which merge joins for several profiles. A profile that fails does not keep the others from
// being printed.
func (a *App) PrintEach(ctx context.Context, p *output.Printer, merge Merge, do func(context.Context, *App) (Shown, error)) error {
	apps, err := a.Profiles()
	if err != nil {
		return err
	}
	type shownBy struct {
		Shown
		app *App
	}
	done, failed := Each(ctx, apps, func(app *App) *App { return app }, func(ctx context.Context, app *App) (shownBy, error) {
		s, err := do(ctx, app)
		s.Title = app.profile
		return shownBy{s, app}, err
	})
	views := make([]output.View, len(done))
	for i, s := range done {
		views[i] = s.View
	}
	switch {
	case a.allProfiles:
		view, err := merge("profile", views)
		if err == nil {
			err = p.Print(view)
		}
		if err != nil {
			return err
		}
	case len(done) == 1:
		if err := p.Print(views[0]); err != nil {
			return err
		}
	}
	for _, s := range done {
		if s.Note != "" {
			s.app.Say("%s", s.Note)
		}
	}
	return failed
}
