package integrations

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
	"github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"
)

// change is what apply does for one file, or with --all-profiles for one profile.
type change struct {
	app    *cli.App
	file   *provision.File
	engine *engine
	plan   *provision.Plan
}

func appOf(c *change) *cli.App { return c.app }

// changes are sorted by profile.
type changes struct {
	list []*change
	// several is set if the command line allows for several, even if there is one.
	several bool
}

// changes reads and checks all files. It sends nothing.
func (o applyOptions) changes(ctx context.Context, a *cli.App) (changes, error) {
	if len(o.files) == 0 {
		return changes{}, cli.Hinted(cli.Usagef("apply requires -f FILE"), "run `mender-webhooks export > webhooks.yaml` to write one")
	}
	names, err := provision.Files(o.files)
	if err != nil {
		return changes{}, err
	}
	if i := slices.Index(names, "-"); i >= 0 && slices.Contains(names[i+1:], "-") {
		return changes{}, cli.Usagef("stdin can be only one of the files: -f - is given twice")
	}
	several := !slices.Equal(names, o.files) || len(names) > 1
	if several && a.AllProfiles() {
		return changes{}, cli.Hinted(cli.Usagef("--all-profiles takes one file, which is compared with each profile"),
			"leave out --all-profiles to apply files that name their profiles")
	}
	files, err := readProvisionFiles(ctx, a, names)
	if err != nil {
		return changes{}, err
	}
	all := changes{several: several || a.AllProfiles()}
	if a.AllProfiles() {
		all.list, err = forEachProfile(a, files[0])
	} else {
		all.list, err = forEachFile(a, files, several)
	}
	if err != nil {
		return changes{}, err
	}
	slices.SortStableFunc(all.list, func(c, d *change) int { return cmp.Compare(c.app.Profile(), d.app.Profile()) })
	return all, nil
}

// forEachProfile returns a change of each profile, all with the same file.
func forEachProfile(a *cli.App, file *provision.File) ([]*change, error) {
	if file.Profile != "" {
		return nil, cli.Usagef("--all-profiles cannot be combined with %s, which names the profile %s", file.Name, file.Profile)
	}
	apps, err := a.Profiles()
	list := make([]*change, len(apps))
	for i, app := range apps {
		list[i] = &change{app: app, file: file}
	}
	return list, err
}

// forEachFile returns a change for each file, of the profile that it names or else of the
// current one.
func forEachFile(a *cli.App, files []*provision.File, several bool) ([]*change, error) {
	if i := slices.IndexFunc(files, func(f *provision.File) bool { return f.Profile != "" }); i >= 0 {
		if err := a.CheckSelection(fmt.Sprintf("%s, which names the profile %s,", files[i].Name, files[i].Profile)); err != nil {
			return nil, err
		}
	}
	var list []*change
	for _, file := range files {
		c := &change{app: a, file: file}
		var err error
		switch {
		case file.Profile != "":
			c.app = a.ForProfile(file.Profile)
		case several:
			c.app, err = a.ForCurrent()
		}
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, checkDistinct(list)
}

// checkDistinct returns a usage error if two files describe the same organization.
func checkDistinct(list []*change) error {
	files, accounts := make([]*provision.File, len(list)), make([]config.Account, len(list))
	for i, c := range list {
		files[i], accounts[i].Profile = c.file, c.app.Profile()
		if set, err := c.app.Settings(); err == nil { // an error is reported with the profile's others
			accounts[i] = set.Account
		}
	}
	return provision.CheckDistinct(files, accounts)
}

// makePlan compares the file with the server.
func (c *change) makePlan(ctx context.Context, o applyOptions) (err error) {
	c.engine, err = newEngine(c.app, o.noStore, provision.Options{
		Prune: o.prune, AllowRecreate: o.allowRecreate, AssumeSecretUnchanged: o.assumeSecret,
		Progress: func(s provision.Step) { c.app.Say("%s", s.DoneText()) },
	})
	if err == nil {
		c.plan, err = c.engine.Plan(ctx, c.file)
	}
	return err
}

// check warns about receivers that Mender will not reach, and returns an error if the plan
// is not allowed.
func (c *change) check(ctx context.Context, o applyOptions) error {
	for _, s := range c.plan.Steps {
		if s.Action == provision.Recreate && !o.allowRecreate {
			return provision.ErrNotAllowed
		}
		if s.Action != provision.Nothing && s.Action != provision.Delete {
			for _, url := range c.file.URLs() {
				c.app.WarnAboutReceiver(ctx, url)
			}
		}
	}
	return nil
}

// execute executes the plan, and replaces it with the result, in which steps are done.
func (c *change) execute(ctx context.Context) (err error) {
	c.plan, err = c.engine.Apply(ctx, c.plan)
	return unkept(err, "run apply again")
}

// readProvisionFiles reads and checks files before anything is sent.
func readProvisionFiles(ctx context.Context, a *cli.App, names []string) ([]*provision.File, error) {
	var files []*provision.File
	var wrong []*yamlfile.Error
	for _, name := range names {
		text, err := a.ReadText(ctx, name, maxProvisionFile)
		if err != nil {
			return nil, err
		}
		src := provision.Sources{Sources: yamlfile.Sources{LookupEnv: a.Env, ReadFile: os.ReadFile}, CheckProfile: a.CheckProfile}
		if name != "-" {
			src.Dir = filepath.Dir(name)
		}
		file, err := provision.Read(textfile.Name(name), text, src)
		var mistakes *yamlfile.Error
		switch {
		case errors.As(err, &mistakes):
			wrong = append(wrong, mistakes)
		case err != nil:
			return nil, err
		}
		files = append(files, file)
	}
	if len(wrong) > 0 {
		return nil, a.FileFailure("nothing was sent", wrong...)
	}
	return files, nil
}
