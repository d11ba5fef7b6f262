package provision

import (
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

// CheckDistinct returns a usage error if two files are for the same profile or the same
// organization. accounts has the account of each file. An organization that is not known
// before a request is sent passes.
func CheckDistinct(files []*File, accounts []config.Account) error {
	for i, account := range accounts {
		for n, other := range accounts[:i] {
			switch {
			case account.Profile == other.Profile:
				return fault.WithHint(fault.Usagef("%s and %s are both for the profile %s", files[n].Name, files[i].Name, account.Profile),
					"keep one file for each organization; it names its profile with profile: NAME")
			case account.SameOrganization(other):
				return fault.WithHint(fault.Usagef("%s and %s are for the same organization on %s: the profiles %s and %s both belong to it",
					files[n].Name, files[i].Name, account.Server, other.Profile, account.Profile), "keep one file for each organization")
			}
		}
	}
	return nil
}
