package sandbox

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"

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
