package sandbox

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

const deviceNotFound = "device not found"

// filterStatuses lists the statuses of deviceauth in the order in which it
// sorts devices.
func filterStatuses() []webhook.DeviceStatus {
	return []webhook.DeviceStatus{
		webhook.StatusAccepted, webhook.StatusNoAuth, webhook.StatusPending, webhook.StatusPreauthorized, webhook.StatusRejected,
	}
}

// deviceAuthRoutes are deviceauth's management API, version 2.
func (s *Sandbox) deviceAuthRoutes() []route {
	return []route{
		{method: "GET", pattern: "/devices/count", handle: s.countDevices},
		{method: "POST", pattern: "/devices/search", handle: s.searchDevices},
		{method: "POST", pattern: "/devices", handle: s.preauthorize, change: true},
		{method: "GET", pattern: "/devices", handle: s.listDevices},
		{method: "GET", pattern: "/devices/{id}", handle: s.getDevice},
		{method: "DELETE", pattern: "/devices/{id}", handle: s.decommissionByID, change: true},
		{method: "DELETE", pattern: "/devices/{id}/auth/{set}", handle: s.dismissSet, change: true},
		{method: "PUT", pattern: "/devices/{id}/auth/{set}/status", handle: s.putSetStatus, change: true},
		{method: "GET", pattern: "/devices/{id}/auth/{set}/status", handle: s.getSetStatus},
		{method: "GET", pattern: "/limits/{name}", handle: func(c *call) { c.json(http.StatusOK, map[string]int{"limit": -1}) }},
	}
}

// page reads page and per_page as deviceauth and inventory do.
func (c *call) page() (page, perPage int, ok bool) {
	read := func(name string, fallback int) int {
		text := c.r.URL.Query().Get(name)
		if text == "" {
			return fallback
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			c.fail(http.StatusBadRequest, "invalid "+name+" query: value must be a non-zero positive integer")
			return 0
		}
		return n
	}
	if page = read("page", 1); page == 0 {
		return 0, 0, false
	}
	if perPage = read("per_page", defaultPerPage); perPage == 0 {
		return 0, 0, false
	}
	if perPage > maxPerPage {
		c.fail(http.StatusBadRequest, `parameter "per_page" above limit (max: 500)`)
		return 0, 0, false
	}
	return page, perPage, true
}

// link sets the Link header; last is 0 if there is none.
func (c *call) link(page, perPage int, more bool, last int) {
	query := c.r.URL.Query()
	if !query.Has("per_page") {
		query.Set("per_page", strconv.Itoa(perPage))
	}
	var links []string
	to := func(rel string, page int) {
		query.Set("page", strconv.Itoa(page))
		links = append(links, "<"+(&url.URL{Path: c.r.URL.Path, RawQuery: query.Encode()}).String()+`>; rel="`+rel+`"`)
	}
	to("first", 1)
	if page > 1 {
		to("prev", page-1)
	}
	if more {
		to("next", page+1)
	}
	if last > 0 {
		to("last", last)
	}
	c.w.Header().Set("Link", strings.Join(links, ", "))
}

// paged answers with a page of the devices, in deviceauth's order.
func (s *Sandbox) paged(c *call, match func(*device) bool) {
	page, perPage, ok := c.page()
	if !ok {
		return
	}
	s.mu.Lock()
	var found []*device
	for _, d := range s.registry.devices {
		if match(d) {
			found = append(found, d)
		}
	}
	slices.SortFunc(found, func(a, b *device) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.ID, b.ID))
	})
	begin := min((page-1)*perPage, len(found))
	end := min(begin+perPage, len(found))
	shown := make([]*device, 0, end-begin)
	for _, d := range found[begin:end] {
		shown = append(shown, d.copy())
	}
	s.mu.Unlock()
	c.link(page, perPage, end < len(found), 0)
	c.json(http.StatusOK, shown)
}

func (s *Sandbox) listDevices(c *call) {
	query := c.r.URL.Query()
	for _, status := range query["status"] {
		if !slices.Contains(filterStatuses(), webhook.DeviceStatus(status)) {
			c.fail(http.StatusBadRequest, "filter status must be one of: accepted, pending, rejected, preauthorized or noauth")
			return
		}
	}
	s.paged(c, matching(query["id"], query["status"]))
}

// matching selects devices by id and status; empty lists select all.
func matching(ids, statuses []string) func(*device) bool {
	return func(d *device) bool {
		return (len(ids) == 0 || slices.Contains(ids, d.ID)) &&
			(len(statuses) == 0 || slices.Contains(statuses, string(d.Status)))
	}
}

// texts is a list of strings. In JSON it may also be a single string.
type texts []string

// UnmarshalJSON accepts both forms.
func (t *texts) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

func (s *Sandbox) searchDevices(c *call) {
	var body struct{ ID, Status texts }
	if message := decode(c.body, &body); message != "" {
		c.fail(http.StatusBadRequest, malformed+message)
		return
	}
	s.paged(c, matching(body.ID, body.Status))
}

func (s *Sandbox) countDevices(c *call) {
	status := c.r.URL.Query().Get("status")
	if status != "" && !slices.Contains(filterStatuses(), webhook.DeviceStatus(status)) {
		c.fail(http.StatusBadRequest, "status must be one of: pending, accepted, rejected, preauthorized, noauth")
		return
	}
	s.mu.Lock()
	count := 0
	for _, d := range s.registry.devices {
		if status == "" || string(d.Status) == status {
			count++
		}
	}
	s.mu.Unlock()
	c.json(http.StatusOK, map[string]int{"count": count})
}

func (s *Sandbox) getDevice(c *call) {
	s.mu.Lock()
	d := s.registry.devices[c.values["id"]]
	if d != nil {
		d = d.copy()
	}
	s.mu.Unlock()
	if d == nil {
		c.fail(http.StatusNotFound, deviceNotFound)
		return
	}
	c.json(http.StatusOK, d)
}

// findSet returns an authentication set and its device, or nil. The caller
// holds s.mu.
func (r *registry) findSet(id string) (*device, *deviceSet) {
	for _, d := range r.devices {
		if a := d.set(id); a != nil {
			return d, a
		}
	}
	return nil, nil
}

// getSetStatus ignores the device's id, as the server does.
func (s *Sandbox) getSetStatus(c *call) {
	s.mu.Lock()
	_, set := s.registry.findSet(c.values["set"])
	var status webhook.DeviceStatus
	if set != nil {
		status = set.Status
	}
	s.mu.Unlock()
	if set == nil {
		c.fail(http.StatusNotFound, "authorization set not found")
		return
	}
	c.json(http.StatusOK, map[string]webhook.DeviceStatus{"status": status})
}

func (s *Sandbox) putSetStatus(c *call) {
	var body struct {
		Status webhook.DeviceStatus `json:"status"`
	}
	if message := decode(c.body, &body); message != "" {
		c.fail(http.StatusBadRequest, malformed+message)
		return
	}
	if !slices.Contains([]webhook.DeviceStatus{webhook.StatusAccepted, webhook.StatusRejected, webhook.StatusPending}, body.Status) {
		c.fail(http.StatusBadRequest, "incorrect device status")
		return
	}
	s.mu.Lock()
	status, message, emit := s.setStatus(c.values["id"], c.values["set"], body.Status)
	s.mu.Unlock()
	emit()
	s.changed()
	if message != "" {
		c.fail(status, message)
		return
	}
	c.empty(status)
}

// setStatus gives a set a status. The caller holds s.mu.
func (s *Sandbox) setStatus(id, set string, status webhook.DeviceStatus) (code int, message string, emit func()) {
	none := func() {}
	r := &s.registry
	d, a := r.findSet(set)
	switch {
	case a == nil:
		return http.StatusNotFound, "authorization set not found", none
	case d.ID != id:
		return http.StatusBadRequest, "dev auth: dev ID and auth ID mismatch", none
	case a.Status == webhook.StatusPreauthorized:
		return http.StatusBadRequest, "dev auth: bad request", none
	case a.Status == status:
		return http.StatusNoContent, "", none
	case status == webhook.StatusAccepted && r.limit > 0 && r.accepted() >= r.limit:
		return http.StatusUnprocessableEntity, "maximum number of accepted devices reached", none
	}
	if status == webhook.StatusAccepted {
		for _, other := range d.Sets {
			if other.Status == webhook.StatusAccepted {
				other.Status = webhook.StatusRejected
			}
		}
	}
	a.Status = status
	emit, ok := s.settle(d)
	if !ok {
		return http.StatusServiceUnavailable, "service unavailable", emit
	}
	return http.StatusNoContent, "", emit
}

func (r *registry) accepted() int {
	n := 0
	for _, d := range r.devices {
		if d.Status == webhook.StatusAccepted {
			n++
		}
	}
	return n
}

// settle gives a device the status of its sets, and runs the workflow if that
// changed it. The caller holds s.mu.
func (s *Sandbox) settle(d *device) (emit func(), ok bool) {
	status := d.effective()
	if status == d.Status {
		return func() {}, true
	}
	d.Status, d.Updated = status, milliseconds(s.now())
	return s.workflow(d)
}

func (s *Sandbox) preauthorize(c *call) {
	var body struct {
		Identity map[string]any `json:"identity_data"`
		PubKey   string         `json:"pubkey"`
		Force    bool           `json:"force"`
	}
	if message := decode(c.body, &body); message != "" {
		c.fail(http.StatusBadRequest, malformed+message)
		return
	}
	s.mu.Lock()
	d := s.registry.identity(body.Identity)
	if d != nil && !body.Force {
		conflict := d.copy()
		s.mu.Unlock()
		conflict.Sets = nil // null, in this answer only
		c.json(http.StatusConflict, conflict)
		return
	}
	location, emit := uuid.NewString(), func() {} // with force, the id of no device
	if d == nil {
		d = s.admit(body.Identity)
		location = d.ID
		s.add(d, body.PubKey, webhook.StatusPreauthorized)
		emit, _ = s.settle(d)
	} else {
		s.add(d, body.PubKey, webhook.StatusPreauthorized)
	}
	s.mu.Unlock()
	emit()
	c.w.Header().Set("Location", "devices/"+location)
	c.empty(http.StatusCreated)
}

func (s *Sandbox) dismissSet(c *call) {
	s.mu.Lock()
	d := s.registry.devices[c.values["id"]]
	var set *deviceSet
	if d != nil {
		set = d.set(c.values["set"])
	}
	if set == nil {
		s.mu.Unlock()
		c.empty(http.StatusNotFound)
		return
	}
	var emit func()
	if d.Status == webhook.StatusPreauthorized && set.Status == webhook.StatusPreauthorized {
		s.registry.remove(d.ID)
		gone := deviceEvent{ID: d.ID, Status: webhook.StatusDecommissioned}
		emit = s.later(deviceChange{webhook.DeviceStatusChanged, d.ID, scopeDeviceAuth, gone, gone})
	} else {
		d.Sets = slices.DeleteFunc(d.Sets, func(a *deviceSet) bool { return a == set })
		emit, _ = s.settle(d)
	}
	s.mu.Unlock()
	emit()
	c.empty(http.StatusNoContent)
}

func (s *Sandbox) decommissionByID(c *call) {
	id := c.values["id"]
	s.mu.Lock()
	d := s.registry.devices[id]
	switch {
	case d == nil:
		s.mu.Unlock()
		c.empty(http.StatusNotFound)
		return
	case s.registry.workflowsDown:
		d.Decommissioning, d.Updated = true, milliseconds(s.now())
		s.mu.Unlock()
		c.fail(http.StatusServiceUnavailable, "service unavailable")
		return
	}
	s.registry.remove(id)
	gone := deviceEvent{ID: id}
	emit := s.later(deviceChange{webhook.DeviceDecommissioned, id, scopeDeviceAuth, gone, gone})
	s.mu.Unlock()
	emit()
	c.empty(http.StatusNoContent)
}

// authRequest answers a device that asks for a token: see POST /auth_requests.
func (s *Sandbox) authRequest(c *call) {
	var body struct {
		IDData string `json:"id_data"`
		PubKey string `json:"pubkey"`
	}
	var identity map[string]any
	if message := decode(c.body, &body); message != "" || json.Unmarshal([]byte(body.IDData), &identity) != nil {
		c.fail(http.StatusBadRequest, "invalid auth request: "+message)
		return
	}
	s.mu.Lock()
	id, ok, emit := s.authenticateDevice(identity, body.PubKey)
	down := s.registry.workflowsDown && id == ""
	s.mu.Unlock()
	emit()
	switch {
	case down:
		c.fail(http.StatusServiceUnavailable, "service unavailable")
	case !ok:
		c.fail(http.StatusUnauthorized, "dev auth: unauthorized")
	default:
		token, err := sign(s.key, claims{ID: uuid.NewString(), Subject: id, IssuedAt: s.now().Unix(), ExpiresAt: s.now().Add(week).Unix(), Issuer: "Mender"})
		if err != nil {
			c.fail(http.StatusInternalServerError, "internal error")
			return
		}
		c.jwt(token)
	}
}

// authenticateDevice returns the device's id, and whether it is accepted. The
// id is empty if the device is new and the workflows are down. The caller holds
// s.mu.
func (s *Sandbox) authenticateDevice(identity map[string]any, pubkey string) (id string, ok bool, emit func()) {
	d := s.registry.identity(identity)
	if d == nil {
		d = s.admit(identity)
		s.add(d, pubkey, webhook.StatusPending)
		emit, running := s.settle(d)
		if !running {
			d.unannounced = true
			return "", false, emit
		}
		return d.ID, false, emit
	}
	if d.unannounced {
		emit, _ = s.workflow(d)
		d.unannounced = false
		return d.ID, false, emit
	}
	i := slices.IndexFunc(d.Sets, func(a *deviceSet) bool { return a.PubKey == pubkey })
	if i < 0 {
		s.add(d, pubkey, webhook.StatusPending)
		emit, _ = s.settle(d)
		return d.ID, false, emit
	}
	emit = func() {}
	if d.Sets[i].Status == webhook.StatusPreauthorized {
		d.Sets[i].Status = webhook.StatusAccepted
		emit, _ = s.settle(d)
	}
	if d.Sets[i].Status != webhook.StatusAccepted {
		return d.ID, false, emit
	}
	now := milliseconds(s.now())
	d.CheckIn, d.Updated = &now, now
	if in := s.registry.inventory[d.ID]; in != nil {
		in.put("system", "check_in_time", now)
	}
	return d.ID, true, emit
}
