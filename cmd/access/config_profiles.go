package access

import (
	"fmt"
	"slices"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

// profileSummary is a profile in the config file, with the tokens that login saved
// for it.
type profileSummary struct {
	config.Profile
	Tokens []secret.Info `json:"tokens"`
}

func runConfigProfiles(a *cli.App) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	set, err := a.Load(config.Input{NoToken: true, NewProfile: true})
	if err != nil {
		return err
	}
	profiles, err := config.NewFile(set.ConfigFile).Profiles()
	if err != nil {
		return err
	}
	var tokens []secret.Info
	if set.SecretsFile != "" {
		if tokens, err = a.Store(set).List(secret.Token); err != nil {
			return err
		}
	}
	summaries := []profileSummary{}
	view := output.View{Table: output.TableView{Columns: []output.Column{
		{Name: ""}, {Name: "PROFILE"}, {Name: "SERVER", Shrink: true}, {Name: "USERNAME", Shrink: true}, {Name: "TOKEN"},
	}}}
	for _, profile := range profiles {
		s := profileSummary{Profile: profile, Tokens: []secret.Info{}}
		for _, t := range tokens {
			if t.Name == profile.Name {
				s.Tokens = append(s.Tokens, t)
			}
		}
		summaries = append(summaries, s)
		view.Names = append(view.Names, profile.Name)
		view.Table.Rows = append(view.Table.Rows, s.row())
	}
	if len(profiles) == 0 {
		a.Say("no profiles in %s; create one with `mender-webhooks login` or `mender-webhooks config set`", set.ConfigFile)
	}
	view.Value = summaries
	return p.Print(view)
}

func (s profileSummary) row() []string {
	value := func(key string) string {
		i := slices.IndexFunc(s.Values, func(v config.Value) bool { return v.Key == key })
		if i < 0 {
			return "-"
		}
		return s.Values[i].Text
	}
	mark, token := "", "none"
	if s.Current {
		mark = "*"
	}
	switch {
	case len(s.Tokens) > 0:
		token = fmt.Sprintf("in the %s", s.Tokens[0].Place)
	case value("token") != "-" || value("token-file") != "-":
		token = "in the profile"
	}
	return []string{mark, s.Name, value("server"), value("username"), token}
}
