package sandbox

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"github.com/google/uuid"
)

// Role is the set of permissions of a user.
type Role string

// The roles. RoleReadOnly may read and create tokens; requests that change
// integrations or devices are answered with 403.
const (
	RoleAdmin    Role = "admin"
	RoleReadOnly Role = "read-only"
)

// mender returns the role's name on an Enterprise server.
func (r Role) mender() string {
	if r == RoleReadOnly {
		return "RBAC_ROLE_OBSERVER"
	}
	return "RBAC_ROLE_PERMIT_ALL"
}

// User is an account that can log in.
type User struct {
	Email string
	// Password is empty for a single sign-on user.
	Password string
	Role     Role
	// TwoFactorCode is required at login in addition to the password, unless
	// it is empty. Unlike a real code it never changes.
	TwoFactorCode string
	// Token is a personal access token, set for users without a password.
	Token string
}

// users returns the accounts of every sandbox. Their passwords are public:
// the internal API needs none, and there is only made-up data to protect.
func users() []User {
	return []User{
		{Email: "admin@example.com", Password: "correct-horse-battery", Role: RoleAdmin},
		{Email: "reader@example.com", Password: "only-looking-around", Role: RoleReadOnly},
		{Email: "2fa@example.com", Password: "something-you-know", Role: RoleAdmin, TwoFactorCode: "123456"},
		{Email: "sso@example.com", Role: RoleAdmin},
	}
}

// account is a user as useradm stores it.
type account struct {
	User

	id                      string
	created, login, changed time.Time
}

func newAccounts(now time.Time) []*account {
	var accounts []*account
	for _, u := range users() {
		accounts = append(accounts, &account{
			User:    u,
			id:      uuid.NewSHA1(uuid.NameSpaceURL, []byte("mailto:"+u.Email)).String(),
			created: milliseconds(now),
			changed: milliseconds(now),
		})
	}
	return accounts
}

// passwordMatches compares in constant time.
func (a *account) passwordMatches(password string) bool {
	given, want := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(a.Password))
	return subtle.ConstantTimeCompare(given[:], want[:]) == 1 && a.Password != ""
}

// findAccount returns the account with the id, or nil. The caller holds s.mu.
func (s *Sandbox) findAccount(id string) *account {
	for _, a := range s.accounts {
		if a.id == id {
			return a
		}
	}
	return nil
}

// Users returns all accounts with their passwords.
func (s *Sandbox) Users() []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]User, len(s.accounts))
	for i, a := range s.accounts {
		list[i] = a.User
	}
	return list
}
