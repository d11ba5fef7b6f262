package sandbox

import (
	"net/http"
	"strings"
	"time"
)

// Claims of an Enterprise server's tokens.
const (
	enterpriseTenant = "5f8d0a7e6b3c2a0001e4d9b7"
	enterprisePlan   = "enterprise"
)

// tenant returns the id of the organization; the open source server's is empty.
func (s *Sandbox) tenant() string {
	if s.opts.Scopes {
		return enterpriseTenant
	}
	return ""
}

func (s *Sandbox) plan() string {
	if s.opts.Scopes {
		return enterprisePlan
	}
	return ""
}

func (s *Sandbox) login(c *call) {
	email, password, ok := c.r.BasicAuth()
	if !ok {
		c.fail(http.StatusUnauthorized, "invalid or missing auth header")
		return
	}
	var options struct {
		NoExpiry bool   `json:"no_expiry"`
		Code     string `json:"token2fa"`
	}
	if message := decode(c.body, &options); message != "" && c.r.ContentLength != 0 {
		c.fail(http.StatusBadRequest, message)
		return
	}
	a := s.findLogin(strings.ToLower(email), password)
	switch {
	case a == nil:
		c.fail(http.StatusUnauthorized, unauthorized)
		return
	case a.TwoFactorCode != "" && options.Code == "":
		// Mender's web UI recognizes "2fa" in the error and asks for the code.
		c.fail(http.StatusUnauthorized, "2fa needed")
		return
	case a.TwoFactorCode != "" && options.Code != a.TwoFactorCode:
		c.fail(http.StatusUnauthorized, unauthorized)
		return
	}
	ttl := s.opts.SessionTTL
	if options.NoExpiry {
		ttl = 0
	}
	t := s.newToken(a, "", ttl)
	jwt, err := s.sign(t)
	if err != nil {
		c.fail(http.StatusInternalServerError, "internal error")
		return
	}
	s.mu.Lock()
	s.addSession(t)
	a.login = t.Created
	s.mu.Unlock()
	s.changed()
	c.jwt(jwt)
}

func (s *Sandbox) findLogin(email, password string) *account {
	for _, a := range s.accounts {
		if a.Email == email && a.passwordMatches(password) {
			return a
		}
	}
	return nil
}

// logout ends the session of the request's token. A personal access token is
// revoked.
func (s *Sandbox) logout(c *call) {
	s.revoke(c.account.id, c.token.ID)
	c.empty(http.StatusAccepted)
}

func (s *Sandbox) getUser(c *call) {
	id := c.values["id"]
	if id == "me" {
		id = c.account.id
	}
	type user struct {
		ID      string     `json:"id"`
		Email   string     `json:"email"`
		Created time.Time  `json:"created_ts"`
		Updated time.Time  `json:"updated_ts"`
		Login   *time.Time `json:"login_ts,omitempty"`
		Roles   []string   `json:"roles,omitempty"`
	}
	s.mu.Lock()
	a := s.findAccount(id)
	var u user
	if a != nil {
		u = user{ID: a.id, Email: a.Email, Created: a.created, Updated: a.changed}
		if login := a.login; !login.IsZero() {
			u.Login = &login
		}
		if s.opts.Scopes {
			u.Roles = []string{a.Role.mender()}
		}
	}
	s.mu.Unlock()
	if a == nil {
		c.fail(http.StatusNotFound, "user not found")
		return
	}
	c.json(http.StatusOK, u)
}

type plan struct {
	Name        string          `json:"name"`
	DisplayName string          `json:"display_name"`
	Features    map[string]bool `json:"features"`
}

// plans returns the available plans; the open source server has none.
func (s *Sandbox) plans() []plan {
	if !s.opts.Scopes {
		return []plan{}
	}
	features := map[string]bool{}
	for _, f := range []string{
		"rbac", "audit_logs", "dynamic_groups", "terminal",
		"file_transfer", "configuration", "monitoring", "reporting",
	} {
		features[f] = true
	}
	return []plan{{Name: enterprisePlan, DisplayName: "Enterprise", Features: features}}
}

func (s *Sandbox) listPlans(c *call) { c.json(http.StatusOK, s.plans()) }

// planBinding answers with an empty plan on an open source server.
func (s *Sandbox) planBinding(c *call) {
	var binding struct {
		Plan   plan           `json:"plan"`
		Limits map[string]int `json:"limits,omitempty"`
	}
	if plans := s.plans(); len(plans) > 0 {
		binding.Plan = plans[0]
		binding.Limits = map[string]int{"devices": 250, "users": 10, "audit_logs_days": 90}
	}
	c.json(http.StatusOK, binding)
}
