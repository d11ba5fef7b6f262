package sandbox

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"github.com/google/uuid"
)

// Role is what a user may do.
type Role string

// The roles: RoleReadOnly may read, and have tokens, and is refused with 403
// whatever would change integrations or devices.
const (
	RoleAdmin    Role = "admin"
	RoleReadOnly Role = "read-only"
)

// mender is the role's name on an Enterprise server.
func (r Role) mender() string {
	if r == RoleReadOnly {
		return "RBAC_ROLE_OBSERVER"
	}
	return "RBAC_ROLE_PERMIT_ALL"
}

// User is somebody who can log in.
type User struct {
	Email string
	// Password is empty for a user of single sign-on, who has none.
	Password string
	Role     Role
	// TwoFactorCode is what a login needs besides the password, or empty.
	// Unlike a real one it stays the same.
	TwoFactorCode string
	// Token is a personal access token, for the user who has no password.
	Token string
}

// users are the same in every sandbox. Their passwords are no secret: who
// reaches the sandbox can make device events without one, and what a
// password gives access to is made up.
func users() []User {
	return []User{
		{Email: "admin@example.com", Password: "correct-horse-battery", Role: RoleAdmin},
		{Email: "reader@example.com", Password: "only-looking-around", Role: RoleReadOnly},
		{Email: "2fa@example.com", Password: "something-you-know", Role: RoleAdmin, TwoFactorCode: "123456"},
		{Email: "sso@example.com", Role: RoleAdmin},
	}
}

// account is a user as useradm keeps one.
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

// admits compares without telling by the time it takes how much is right.
func (a *account) admits(password string) bool {
	given, want := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(a.Password))
	return subtle.ConstantTimeCompare(given[:], want[:]) == 1 && a.Password != ""
}

// findAccount finds by id. s.mu is held.
func (s *Sandbox) findAccount(id string) *account {
	for _, a := range s.accounts {
		if a.id == id {
			return a
		}
	}
	return nil
}

// Users returns who can log in, with the passwords.
func (s *Sandbox) Users() []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]User, len(s.accounts))
	for i, a := range s.accounts {
		list[i] = a.User
	}
	return list
}
