package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// headerRequestID is X-MEN-RequestID in Go's canonical spelling.
const headerRequestID = "X-Men-Requestid"

// maxBody is the limit of API bodies in bytes, since Mender 4.1.
const maxBody = 1 << 20

// service is a service of Mender behind the gateway.
type service struct {
	prefix  string
	open    bool // requires no token, as the internal API
	options bool // lists OPTIONS among the allowed methods
	routes  []route
}

type route struct {
	method  string
	pattern string // a segment in braces matches any value; see match
	handle  func(*call)
	public  bool // requires no token
	change  bool // not allowed for RoleReadOnly
	json    bool // the Content-Type of a body must be JSON
}

// newServices lists methods in the order in which the real services list them
// in the Allow header.
func (s *Sandbox) newServices() []service {
	return []service{
		{prefix: "/api/management/v1/iot-manager", routes: []route{
			{method: "GET", pattern: "/integrations", handle: s.listIntegrations},
			{method: "GET", pattern: "/integrations/{id}", handle: s.getIntegration},
			{method: "GET", pattern: "/events", handle: s.listEvents},
			{method: "GET", pattern: "/devices/{id}/state", handle: s.getDeviceStates},
			{method: "GET", pattern: "/devices/{id}/state/{integration}", handle: s.getDeviceState},
			{method: "DELETE", pattern: "/integrations/{id}", handle: s.deleteIntegration, change: true},
			{method: "DELETE", pattern: "/devices/{id}", handle: s.deleteDevice, change: true},
			{method: "POST", pattern: "/integrations", handle: s.createIntegration, change: true},
			{method: "PUT", pattern: "/integrations/{id}/credentials", handle: s.replaceCredentials, change: true},
			{method: "PUT", pattern: "/devices/{id}/state/{integration}", handle: s.putDeviceState, change: true},
		}},
		{prefix: "/api/management/v1/useradm", routes: []route{
			{method: "POST", pattern: "/auth/login", handle: s.login, public: true, json: true},
			{method: "POST", pattern: "/auth/logout", handle: s.logout, json: true},
			{method: "POST", pattern: "/settings/tokens", handle: s.createToken, json: true},
			{method: "GET", pattern: "/settings/tokens", handle: s.listTokens},
			{method: "GET", pattern: "/users/{id}", handle: s.getUser},
			{method: "GET", pattern: "/plans", handle: s.listPlans},
			{method: "GET", pattern: "/plan_binding", handle: s.planBinding},
			{method: "DELETE", pattern: "/settings/tokens/{id}", handle: s.deleteToken},
		}},
		{prefix: "/api/management/v2/devauth", options: true, routes: s.deviceAuthRoutes()},
		{prefix: "/api/management/v1/inventory", options: true, routes: s.inventoryRoutes()},
		{prefix: "/api/management/v2/inventory", options: true, routes: s.searchRoutes()},
		{prefix: "/api/devices/v1/authentication", open: true, routes: []route{
			{method: "POST", pattern: "/auth_requests", handle: s.authRequest},
		}},
		{prefix: "/api/devices/v1/inventory", open: true, routes: []route{
			{method: "PUT", pattern: "/device/attributes", handle: s.putAttributes},
			{method: "PATCH", pattern: "/device/attributes", handle: s.putAttributes},
		}},
		// Not part of Mender: stops services, for tests.
		{prefix: "/api/internal/v1/sandbox", open: true, routes: []route{
			{method: "PUT", pattern: "/services/{service}", handle: s.putService},
		}},
		{prefix: "/api/internal/v1/iot-manager", open: true, routes: []route{
			{method: "GET", pattern: "/alive", handle: healthy},
			{method: "GET", pattern: "/health", handle: healthy},
			{method: "DELETE", pattern: "/tenants/{tenant}", handle: s.deleteTenant},
			{method: "DELETE", pattern: "/tenants/{tenant}/devices/{id}", handle: s.decommissionDevice},
			{method: "POST", pattern: "/tenants/{tenant}/devices", handle: s.provisionDevice},
			{method: "PUT", pattern: "/tenants/{tenant}/bulk/devices/status/{status}", handle: s.setStatuses},
		}},
	}
}

// ServeHTTP answers as the gateway and the services behind it do.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r}
	w.Header().Set("Date", s.now().Format(http.TimeFormat))
	s.serve(c)
	s.opts.Logf("%s %s %d", r.Method, r.URL.EscapedPath(), c.status)
}

func (s *Sandbox) serve(c *call) {
	i := slices.IndexFunc(s.services, func(v service) bool {
		return strings.HasPrefix(c.r.URL.Path, v.prefix+"/")
	})
	if i < 0 {
		c.plain(http.StatusNotFound, "404 page not found\n")
		return
	}
	svc := s.services[i]
	if c.id = c.r.Header.Get(headerRequestID); c.id == "" {
		c.id = uuid.NewString()
	}
	c.w.Header().Set(headerRequestID, c.id)
	if !svc.open && s.fault(c) {
		return
	}
	found, allowed := svc.find(c)
	// The gateway checks the token before anything else.
	if !svc.open && (found == nil || !found.public) && !s.authenticate(c) {
		return
	}
	if !svc.open && s.limited(c) {
		return
	}
	switch {
	case found == nil && len(allowed) == 0:
		c.fail(http.StatusNotFound, "not found")
	case found == nil:
		c.w.Header().Set("Allow", strings.Join(allowed, ", "))
		c.fail(http.StatusMethodNotAllowed, "method not allowed")
	case found.change && c.account.Role == RoleReadOnly:
		c.fail(http.StatusForbidden, "Access denied (RBAC).")
	case found.json && !c.jsonBody():
	case c.readBody():
		found.handle(c)
	}
}

// find returns the route, or the methods that are allowed for its path.
func (v service) find(c *call) (found *route, allowed []string) {
	segments := strings.Split(strings.TrimPrefix(c.r.URL.Path, v.prefix+"/"), "/")
	for i := range v.routes {
		r := &v.routes[i]
		values, ok := match(strings.Split(r.pattern[1:], "/"), segments)
		if !ok {
			continue
		}
		if r.method == c.r.Method {
			c.values = values
			return r, nil
		}
		if !slices.Contains(allowed, r.method) {
			allowed = append(allowed, r.method)
		}
	}
	if v.options && len(allowed) > 0 {
		allowed = append(allowed, "OPTIONS")
	}
	return nil, allowed
}

// match compares segment by segment. Only the tenant may be empty.
func match(pattern, segments []string) (map[string]string, bool) {
	if len(pattern) != len(segments) {
		return nil, false
	}
	values := map[string]string{}
	for i, p := range pattern {
		name, variable := strings.CutPrefix(p, "{")
		switch {
		case !variable && p != segments[i]:
			return nil, false
		case variable && segments[i] == "" && p != "{tenant}":
			return nil, false
		case variable:
			values[strings.TrimSuffix(name, "}")] = segments[i]
		}
	}
	return values, true
}

// call is a request and its response.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	id      string // request id
	values  map[string]string
	body    []byte
	account *account // owner of the token; nil if the route is public
	token   *token
	status  int // of the response
}

func (c *call) readBody() bool {
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	c.body = body
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		c.fail(http.StatusRequestEntityTooLarge, "http: request body too large")
	}
	return err == nil // otherwise the client disconnected
}

// jsonBody checks the Content-Type of a body as useradm does.
func (c *call) jsonBody() bool {
	if c.r.ContentLength <= 0 {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	switch {
	case err != nil:
		c.fail(http.StatusBadRequest, "Invalid value for Content-Type header: "+err.Error())
	case mediaType != "application/json":
		c.fail(http.StatusUnsupportedMediaType, "Bad Content-Type, expected 'application/json'")
	default:
		return true
	}
	return false
}

func (c *call) header(status int, contentType string) {
	if contentType != "" {
		c.w.Header().Set("Content-Type", contentType)
	}
	c.status = status
	c.w.WriteHeader(status)
}

func (c *call) empty(status int) { c.header(status, "") }

func (c *call) plain(status int, text string) {
	c.header(status, "text/plain; charset=utf-8")
	_, _ = io.WriteString(c.w, text) // fails only if the client disconnected
}

func (c *call) jwt(token string) {
	c.header(http.StatusOK, "application/jwt")
	_, _ = io.WriteString(c.w, token)
}

func (c *call) json(status int, value any) {
	body, err := json.Marshal(value)
	if err != nil { // cannot happen: all values were decoded from JSON
		status, body = http.StatusInternalServerError, []byte(`{"error":"internal error"}`)
	}
	c.header(status, "application/json; charset=utf-8")
	_, _ = c.w.Write(body)
}

func (c *call) fail(status int, message string) {
	c.json(status, struct {
		Error     string `json:"error"`
		RequestID string `json:"request_id,omitempty"`
	}{message, c.id})
}
