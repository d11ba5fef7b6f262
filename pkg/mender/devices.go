package mender

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

const (
	deviceAuth      = "/api/management/v2/devauth"
	inventorySearch = "/api/management/v2/inventory/filters/search"
)

// DeviceState is the id and status of a device, as ScanDevices returns them.
type DeviceState struct {
	ID     string
	Status webhook.DeviceStatus
}

// Device is a device as deviceauth describes it. Where inventory differs,
// deviceauth is right.
type Device struct {
	ID              string               `json:"id"`
	IdentityData    json.RawMessage      `json:"identity_data"` // may be null
	Status          webhook.DeviceStatus `json:"status"`
	Decommissioning bool                 `json:"decommissioning"`
	CreatedTS       *time.Time           `json:"created_ts"`
	AuthSets        []webhook.AuthSet    `json:"auth_sets"` // without DeviceID; may be nil
}

// ScanDevices returns the devices in inventory, ordered by id, starting with the
// first id greater than after; "" starts at the beginning. Devices whose status
// changes during the scan are neither missed nor repeated, since each page
// requests the ids after the last one. Inventory can lag behind deviceauth, and
// users whose role is limited to groups of devices presumably see only the
// devices in these groups.
//
// Only one page is in memory at a time. An error is the last value, with a zero
// DeviceState.
func (c *Client) ScanDevices(ctx context.Context, after string) iter.Seq2[DeviceState, error] {
	return func(yield func(DeviceState, error) bool) {
		for {
			page, err := c.scanPage(ctx, after)
			if err != nil {
				yield(DeviceState{}, err)
				return
			}
			for _, d := range page {
				if !yield(d, nil) {
					return
				}
			}
			if len(page) < MaxPageSize {
				return
			}
			after = page[len(page)-1].ID
		}
	}
}

type searchTerm struct {
	Scope     string `json:"scope"`
	Attribute string `json:"attribute"`
	Type      string `json:"type,omitempty"`
	Value     string `json:"value,omitempty"`
	Order     string `json:"order,omitempty"`
}

type searchQuery struct {
	PerPage    int          `json:"per_page"`
	Filters    []searchTerm `json:"filters"`
	Sort       []searchTerm `json:"sort"`
	Attributes []searchTerm `json:"attributes"`
}

// scanPage fetches the devices after an id. It rejects an answer whose ids are
// not ascending, since the scan could then miss devices or never end.
func (c *Client) scanPage(ctx context.Context, after string) ([]DeviceState, error) {
	q := searchQuery{
		PerPage: MaxPageSize, Filters: []searchTerm{},
		Sort:       []searchTerm{{Scope: "identity", Attribute: "id", Order: "asc"}},
		Attributes: []searchTerm{{Scope: "identity", Attribute: "status"}},
	}
	if after != "" {
		q.Filters = append(q.Filters, searchTerm{Scope: "identity", Attribute: "id", Type: "$gt", Value: after})
	}
	k := &call{op: "scan the devices", method: http.MethodPost, path: inventorySearch, body: q, reads: true}
	var found []struct {
		ID         string `json:"id"`
		Attributes []struct {
			Name  string          `json:"name"`
			Scope string          `json:"scope"`
			Value json.RawMessage `json:"value"`
		} `json:"attributes"`
	}
	resp, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	if err := c.decode(k, resp, &found); err != nil {
		return nil, err
	}
	page := make([]DeviceState, 0, len(found))
	for _, f := range found {
		d := DeviceState{ID: f.ID}
		if d.ID <= after {
			return nil, c.badAnswer(k, resp, fmt.Errorf("the devices are not sorted by id: %q follows %q", d.ID, after))
		}
		after = d.ID
		for _, a := range f.Attributes {
			if a.Scope == "identity" && a.Name == "status" {
				if err := json.Unmarshal(a.Value, &d.Status); err != nil {
					return nil, c.badAnswer(k, resp, fmt.Errorf("the status of device %q: %w", d.ID, err))
				}
			}
		}
		page = append(page, d)
	}
	return page, nil
}

// CountDevices returns how many devices with a status deviceauth has, or how
// many in total if the status is empty.
func (c *Client) CountDevices(ctx context.Context, status webhook.DeviceStatus) (int, error) {
	k := &call{op: "count the devices", method: http.MethodGet, path: deviceAuth + "/devices/count"}
	if status != "" {
		k.query = url.Values{"status": {string(status)}}
	}
	resp, err := c.do(ctx, k)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Count *int `json:"count"`
	}
	if err := c.decode(k, resp, &answer); err != nil {
		return 0, err
	}
	if answer.Count == nil {
		return 0, c.badAnswer(k, resp, errors.New("it has no count"))
	}
	return *answer.Count, nil
}

// DevicesByID fetches up to MaxPageSize devices from deviceauth, in no
// particular order. Devices that deviceauth does not know are missing from the
// result. An empty list sends no request, since the server would return all
// devices.
func (c *Client) DevicesByID(ctx context.Context, ids []string) ([]Device, error) {
	if len(ids) == 0 {
		return []Device{}, nil
	}
	k := &call{
		op: "get the devices", method: http.MethodPost, path: deviceAuth + "/devices/search", reads: true,
		query: url.Values{"per_page": {strconv.Itoa(MaxPageSize)}}, body: map[string][]string{"id": ids},
	}
	if len(ids) > MaxPageSize {
		return nil, k.refused(nil, fmt.Errorf("invalid number of ids %d: must be at most %d", len(ids), MaxPageSize))
	}
	resp, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	var devices []Device
	if err := c.decode(k, resp, &devices); err != nil {
		return nil, err
	}
	for _, d := range devices {
		if !slices.Contains(ids, d.ID) {
			return nil, c.badAnswer(k, resp, fmt.Errorf("it contains device %q, which was not requested", d.ID))
		}
	}
	return devices, nil
}

// DevicesByStatus returns the devices with a status in deviceauth, ordered by
// id. Pages shift while devices change, so a device can be missed or returned
// twice: use it to check the result of ScanDevices, not to replace it. It costs
// the server a database query per device.
func (c *Client) DevicesByStatus(ctx context.Context, status webhook.DeviceStatus) iter.Seq2[Device, error] {
	return func(yield func(Device, error) bool) {
		for n := 1; ; n++ {
			k := &call{op: "list the devices", method: http.MethodGet, path: deviceAuth + "/devices", query: url.Values{
				"status": {string(status)}, "page": {strconv.Itoa(n)}, "per_page": {strconv.Itoa(MaxPageSize)},
			}}
			resp, err := c.do(ctx, k)
			var page []Device
			if err == nil {
				err = c.decode(k, resp, &page)
			}
			if err != nil {
				yield(Device{}, err)
				return
			}
			for _, d := range page {
				if !yield(d, nil) {
					return
				}
			}
			if len(page) < MaxPageSize {
				return
			}
		}
	}
}
