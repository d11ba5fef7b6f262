package sandbox

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// inventoryRoutes are inventory's management API, version 1.
func (s *Sandbox) inventoryRoutes() []route {
	return []route{
		{method: "GET", pattern: "/devices", handle: s.listInventory},
		{method: "GET", pattern: "/devices/{id}", handle: s.getInventory},
		{method: "PUT", pattern: "/devices/{id}/tags", handle: s.putTags, change: true},
	}
}

// searchRoutes are inventory's management API, version 2.
func (s *Sandbox) searchRoutes() []route {
	return []route{
		{method: "POST", pattern: "/filters/search", handle: s.searchInventory},
		{method: "GET", pattern: "/filters/attributes", handle: s.listAttributes},
		{method: "GET", pattern: "/statistics", handle: s.inventoryStatistics},
	}
}

// unavailable answers for an inventory that is down, as the gateway does.
func (s *Sandbox) unavailable(c *call) bool {
	s.mu.Lock()
	down := s.registry.inventoryDown
	s.mu.Unlock()
	if down {
		c.w.Header().Del(headerRequestID)
		c.plain(http.StatusBadGateway, "Bad Gateway")
	}
	return down
}

func (s *Sandbox) searchInventory(c *call) {
	if s.unavailable(c) {
		return
	}
	var q search
	if message := decode(c.body, &q); message != "" {
		c.fail(http.StatusBadRequest, malformed+message)
		return
	}
	if message := q.check(); message != "" {
		c.fail(http.StatusBadRequest, message)
		return
	}
	if q.Page < 1 {
		q.Page = 1
	}
	if q.PerPage < 1 {
		q.PerPage = defaultPerPage
	}
	s.answerInventory(c, q)
}

// answerInventory answers with a page of the devices that match. X-Total-Count is
// the number of devices on all pages.
func (s *Sandbox) answerInventory(c *call, q search) {
	s.mu.Lock()
	found, total := s.registry.find(q)
	page := make([]inventoryDevice, 0, len(found))
	for _, d := range found {
		page = append(page, d.project(q.Attributes))
	}
	s.mu.Unlock()
	c.w.Header().Set("X-Total-Count", strconv.Itoa(total))
	if c.r.Method == http.MethodGet { // version 1
		c.link(q.Page, q.PerPage, q.Page*q.PerPage < total, (total+q.PerPage-1)/q.PerPage)
	}
	c.json(http.StatusOK, page)
}

func (s *Sandbox) listInventory(c *call) {
	if s.unavailable(c) {
		return
	}
	q := search{}
	var ok bool
	if q.Page, q.PerPage, ok = c.page(); !ok {
		return
	}
	for name, values := range c.r.URL.Query() {
		switch name {
		case "page", "per_page":
		case "sort":
			q.Sort = sortings(values)
		default: // any other parameter is an attribute
			scope, attribute := scoped(name)
			q.Filters = append(q.Filters, filter{scope, attribute, "$eq", values[0]})
		}
	}
	s.answerInventory(c, q)
}

func sortings(values []string) (sort []sorting) {
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, order, _ := strings.Cut(part, ":")
		scope, attribute := scoped(name)
		sort = append(sort, sorting{scope, attribute, order})
	}
	return sort
}

// scoped splits a name such as identity/status; the default scope is inventory.
func scoped(name string) (scope, attribute string) {
	if scope, attribute, ok := strings.Cut(name, "/"); ok {
		return scope, attribute
	}
	return "inventory", name
}

func (s *Sandbox) getInventory(c *call) {
	if s.unavailable(c) {
		return
	}
	s.mu.Lock()
	d := s.registry.inventory[c.values["id"]]
	var shown inventoryDevice
	if d != nil {
		shown = d.project(nil)
	}
	s.mu.Unlock()
	if d == nil {
		c.fail(http.StatusNotFound, "Device not found")
		return
	}
	if shown.etag != "" {
		c.w.Header().Set("ETag", shown.etag)
	}
	c.json(http.StatusOK, shown)
}

// putTags accepts tags of unknown devices without effect, as the server does.
func (s *Sandbox) putTags(c *call) {
	if s.unavailable(c) {
		return
	}
	var tags []attribute
	if message := decode(c.body, &tags); message != "" {
		c.fail(http.StatusBadRequest, malformed+message)
		return
	}
	s.mu.Lock()
	if d := s.registry.inventory[c.values["id"]]; d != nil {
		d.Attributes = slices.DeleteFunc(d.Attributes, func(a attribute) bool { return a.Scope == "tags" })
		for _, t := range tags {
			d.put("tags", t.Name, t.Value)
		}
		d.etag = uuid.NewString()
	}
	s.mu.Unlock()
	c.empty(http.StatusOK)
}

// putAttributes accepts the inventory that a device reports.
func (s *Sandbox) putAttributes(c *call) {
	if s.unavailable(c) {
		return
	}
	var attributes []attribute
	if message := decode(c.body, &attributes); message != "" {
		c.fail(http.StatusBadRequest, malformed+message)
		return
	}
	token, err := bearer(c.r)
	var device claims
	if err == nil {
		device, err = parseClaims(token)
	}
	if err != nil || !verifySignature(&s.key.PublicKey, token) {
		c.fail(http.StatusUnauthorized, unauthorized)
		return
	}
	s.mu.Lock()
	if d := s.registry.inventory[device.Subject]; d != nil {
		for _, a := range attributes {
			d.put("inventory", a.Name, a.Value)
		}
		now := milliseconds(s.now())
		d.Updated = &now
		d.put("system", "updated_ts", now)
	}
	s.mu.Unlock()
	c.empty(http.StatusOK)
}

func (s *Sandbox) listAttributes(c *call) {
	if s.unavailable(c) {
		return
	}
	type counted struct {
		Name  string `json:"name"`
		Scope string `json:"scope"`
		Count int    `json:"count"`
	}
	list := []counted{}
	s.mu.Lock()
	for _, id := range s.registry.order {
		for _, a := range s.registry.inventory[id].Attributes {
			i := slices.IndexFunc(list, func(e counted) bool { return e.Name == a.Name && e.Scope == a.Scope })
			if i < 0 {
				i, list = len(list), append(list, counted{a.Name, a.Scope, 0})
			}
			list[i].Count++
		}
	}
	s.mu.Unlock()
	slices.SortStableFunc(list, func(a, b counted) int { return b.Count - a.Count })
	c.json(http.StatusOK, list)
}

func (s *Sandbox) inventoryStatistics(c *call) {
	if s.unavailable(c) {
		return
	}
	type tiers struct {
		Standard int `json:"standard"`
		Micro    int `json:"micro"`
		System   int `json:"system"`
	}
	counts := map[string]*tiers{string(webhook.StatusAccepted): {}, string(webhook.StatusPending): {}}
	s.mu.Lock()
	for _, d := range s.registry.inventory {
		status, _ := d.value("identity", "status").(string)
		if t := counts[status]; t != nil {
			t.Standard++
		}
	}
	s.mu.Unlock()
	c.json(http.StatusOK, map[string]any{"devices_by_status": counts})
}
