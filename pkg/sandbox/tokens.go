package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
)

// The open source server's default limits.
const (
	maxSessions      = 10
	maxTokens        = 10
	maxTokenSeconds  = 31536000
	maxTokenName     = 4096 // bytes
	lastUsedAccuracy = 5 * time.Minute
)

// token is a session or, if it has a name, a personal access token.
type token struct {
	ID       string     `json:"id"`
	Account  string     `json:"account"`
	Name     string     `json:"name,omitempty"`
	Created  time.Time  `json:"created"`
	Expires  *time.Time `json:"expires,omitempty"` // nil means never
	LastUsed *time.Time `json:"last_used,omitempty"`
	// First marks the session of AdminToken.
	First bool `json:"first,omitempty"`
}

func (t *token) expired(now time.Time) bool { return t.Expires != nil && now.After(*t.Expires) }

// markUsed records the use of a personal access token, with an accuracy of five
// minutes.
func (t *token) markUsed(now time.Time) {
	if t.Name != "" && (t.LastUsed == nil || now.Sub(*t.LastUsed) > lastUsedAccuracy) {
		used := milliseconds(now)
		t.LastUsed = &used
	}
}

// newToken returns a token that is not yet stored. With ttl 0 it never expires.
func (s *Sandbox) newToken(a *account, name string, ttl time.Duration) *token {
	t := &token{ID: uuid.NewString(), Account: a.id, Name: name, Created: milliseconds(s.now())}
	if ttl > 0 {
		expires := t.Created.Add(ttl)
		t.Expires = &expires
	}
	return t
}

// sign returns the JWT of a token, always the same one.
func (s *Sandbox) sign(t *token) (string, error) {
	c := claims{
		ID: t.ID, Subject: t.Account, IssuedAt: t.Created.Unix(), NotBefore: t.Created.Unix(),
		User: true, Issuer: "mender.useradm", Scope: "mender.*", Tenant: s.tenant(), Plan: s.plan(),
	}
	if t.Expires != nil {
		c.ExpiresAt = t.Expires.Unix()
	}
	return sign(s.key, c)
}

// findToken returns the token with the id, or nil. The caller holds s.mu.
func (s *Sandbox) findToken(id string) *token {
	for _, t := range s.tokens {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// addSession stores a session, and ends the user's oldest ones beyond the
// limit. The caller holds s.mu.
func (s *Sandbox) addSession(t *token) {
	s.dropExpired()
	s.tokens = append(s.tokens, t)
	for s.count(t.Account, false) > maxSessions {
		i := slices.IndexFunc(s.tokens, func(o *token) bool { return o.Account == t.Account && o.Name == "" })
		s.tokens = slices.Delete(s.tokens, i, i+1)
	}
}

// dropExpired removes expired tokens. The caller holds s.mu.
func (s *Sandbox) dropExpired() {
	now := s.now()
	s.tokens = slices.DeleteFunc(s.tokens, func(t *token) bool { return t.expired(now) })
}

// count returns the number of a user's personal access tokens or sessions. The
// caller holds s.mu.
func (s *Sandbox) count(account string, personal bool) int {
	n := 0
	for _, t := range s.tokens {
		if t.Account == account && (t.Name != "") == personal {
			n++
		}
	}
	return n
}

// revoke removes a user's token, if it exists.
func (s *Sandbox) revoke(account, id string) {
	s.mu.Lock()
	s.tokens = slices.DeleteFunc(s.tokens, func(t *token) bool { return t.ID == id && t.Account == account })
	s.mu.Unlock()
	s.changed()
}

// AdminToken returns the JWT of a session of the first administrator, created by
// New. Like any session it expires, counts toward the user's limit of ten, and
// ends when ten newer ones exist; AdminToken returns it even then.
func (s *Sandbox) AdminToken() string { return s.adminToken }

// firstTokens creates the initial tokens: a session of the administrator, and
// a personal access token for the user without a password.
func (s *Sandbox) firstTokens() error {
	s.dropExpired()
	admin := s.accounts[0]
	i := slices.IndexFunc(s.tokens, func(t *token) bool { return t.First })
	if i < 0 {
		t := s.newToken(admin, "", s.opts.SessionTTL)
		t.First = true
		s.addSession(t)
		i = len(s.tokens) - 1
	}
	var err error
	if s.adminToken, err = s.sign(s.tokens[i]); err != nil {
		return err
	}
	for _, a := range s.accounts {
		if a.Password != "" {
			continue
		}
		i := slices.IndexFunc(s.tokens, func(t *token) bool { return t.Account == a.id && t.Name != "" })
		if i < 0 {
			s.tokens = append(s.tokens, s.newToken(a, "sandbox", 0))
			i = len(s.tokens) - 1
		}
		if a.Token, err = s.sign(s.tokens[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sandbox) createToken(c *call) {
	var given struct {
		Name      *string `json:"name"`
		ExpiresIn int64   `json:"expires_in"`
	}
	if decode(c.body, &given) != "" {
		c.fail(http.StatusBadRequest, "cannot parse request body as json")
		return
	}
	if err := validToken(given.Name, given.ExpiresIn); err != nil {
		c.fail(http.StatusBadRequest, err.Error())
		return
	}
	t := s.newToken(c.account, *given.Name, time.Duration(given.ExpiresIn)*time.Second)
	jwt, err := s.sign(t)
	if err != nil {
		c.fail(http.StatusInternalServerError, "internal error")
		return
	}
	if status, message := s.addToken(t); message != "" {
		c.fail(status, message)
		return
	}
	s.changed()
	c.jwt(jwt)
}

// addToken stores a personal access token, or returns the server's error.
func (s *Sandbox) addToken(t *token) (status int, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropExpired()
	if s.count(t.Account, true) >= maxTokens {
		return http.StatusUnprocessableEntity, "maximum number of personal acess tokens reached for this user"
	}
	for _, o := range s.tokens {
		if o.Account == t.Account && o.Name == t.Name {
			return http.StatusConflict, "Personal Access Token with a given name already exists"
		}
	}
	s.tokens = append(s.tokens, t)
	return 0, ""
}

func validToken(name *string, expiresIn int64) error {
	errs := fieldsError{}
	switch {
	case name == nil || *name == "":
		errs.add("name", errBlank)
	case len(*name) > maxTokenName:
		errs.add("name", fmt.Errorf("the length must be no more than %d", maxTokenName))
	}
	switch {
	case expiresIn < 0:
		errs.add("expires_in", errors.New("must be no less than 0"))
	case expiresIn > maxTokenSeconds:
		errs.add("expires_in", fmt.Errorf("must be no greater than %d", maxTokenSeconds))
	}
	return errs.orNil()
}

func (s *Sandbox) listTokens(c *call) {
	type item struct {
		ID       string     `json:"id"`
		Name     string     `json:"name"`
		LastUsed *time.Time `json:"last_used,omitempty"`
		Expires  *time.Time `json:"expiration_date,omitempty"`
		Created  time.Time  `json:"created_ts"`
	}
	list := []item{}
	s.mu.Lock()
	s.dropExpired()
	for _, t := range s.tokens {
		if t.Account == c.account.id && t.Name != "" {
			list = append(list, item{t.ID, t.Name, t.LastUsed, t.Expires, t.Created})
		}
	}
	s.mu.Unlock()
	c.json(http.StatusOK, list)
}

// deleteToken answers 204 even if the token does not exist.
func (s *Sandbox) deleteToken(c *call) {
	s.revoke(c.account.id, c.values["id"])
	c.empty(http.StatusNoContent)
}
