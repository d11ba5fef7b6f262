package sandbox

import (
	"cmp"
	"slices"
)

// filter is a condition on an attribute.
type filter struct {
	Scope     string `json:"scope"`
	Attribute string `json:"attribute"`
	Type      string `json:"type"`
	Value     any    `json:"value"`
}

type sorting struct {
	Scope     string `json:"scope"`
	Attribute string `json:"attribute"`
	Order     string `json:"order"`
}

type search struct {
	Page       int       `json:"page"`
	PerPage    int       `json:"per_page"`
	Filters    []filter  `json:"filters"`
	Sort       []sorting `json:"sort"`
	Attributes []filter  `json:"attributes"` // without a condition
	DeviceIDs  []string  `json:"device_ids"`
}

// check returns the server's error, or "".
func (q *search) check() string {
	if q.PerPage > maxPerPage {
		return "per_page: must be no greater than 500."
	}
	for _, f := range q.Filters {
		_, list := f.Value.([]any)
		switch {
		case !slices.Contains([]string{"system", "identity", "inventory", "monitor", "tags"}, f.Scope):
			return "scope: must be one of system, identity, inventory, monitor, tags."
		case !slices.Contains([]string{"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$regex"}, f.Type):
			return "type: must be a valid value."
		case (f.Type == "$in" || f.Type == "$nin") && !list:
			return "failed to fetch devices: failed to search devices: (BadValue) " + f.Type + " needs an array"
		}
	}
	return ""
}

// value returns a device's attribute. For filters and sorting, the id counts as one.
func (d *inventoryDevice) value(scope, name string) any {
	if scope == "identity" && name == "id" {
		return d.ID
	}
	for _, a := range d.Attributes {
		if a.Scope == scope && a.Name == name {
			return a.Value
		}
	}
	return nil
}

// matches compares values of the same kind only: a time in the database is not
// the text of a filter.
func (f filter) matches(d *inventoryDevice) bool {
	have := d.value(f.Scope, f.Attribute)
	switch f.Type {
	case "$exists":
		want, _ := f.Value.(bool)
		return (have != nil) == want
	case "$in", "$nin":
		list, _ := f.Value.([]any)
		return slices.ContainsFunc(list, func(v any) bool { return same(have, v) }) == (f.Type == "$in")
	case "$eq":
		return same(have, f.Value)
	case "$ne":
		return !same(have, f.Value)
	}
	order, ok := compare(have, f.Value)
	switch {
	case !ok:
		return false
	case f.Type == "$gt":
		return order > 0
	case f.Type == "$gte":
		return order >= 0
	case f.Type == "$lt":
		return order < 0
	case f.Type == "$lte":
		return order <= 0
	}
	return false // $regex is not simulated
}

func same(a, b any) bool {
	order, ok := compare(a, b)
	return ok && order == 0
}

func compare(a, b any) (order int, ok bool) {
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			return cmp.Compare(a, b), true
		}
	case float64:
		if b, ok := b.(float64); ok {
			return cmp.Compare(a, b), true
		}
	}
	return 0, false
}

// find returns a page of the devices that match, sorted, and how many match in
// all. The caller holds s.mu.
func (r *registry) find(q search) (page []*inventoryDevice, total int) {
	var found []*inventoryDevice
	for _, id := range r.order {
		d := r.inventory[id]
		if len(q.DeviceIDs) > 0 && !slices.Contains(q.DeviceIDs, id) {
			continue
		}
		if !slices.ContainsFunc(q.Filters, func(f filter) bool { return !f.matches(d) }) {
			found = append(found, d)
		}
	}
	slices.SortStableFunc(found, func(a, b *inventoryDevice) int {
		for _, by := range q.Sort {
			order, _ := compare(a.value(by.Scope, by.Attribute), b.value(by.Scope, by.Attribute))
			if by.Order == "desc" {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
	begin := min((q.Page-1)*q.PerPage, len(found))
	return found[begin:min(begin+q.PerPage, len(found))], len(found)
}

// project returns a device with the attributes that were asked for, all if none
// were.
func (d *inventoryDevice) project(attributes []filter) inventoryDevice {
	out := *d
	out.Attributes = []attribute{}
	for _, a := range d.Attributes {
		asked := slices.ContainsFunc(attributes, func(f filter) bool { return f.Scope == a.Scope && f.Attribute == a.Name })
		if len(attributes) == 0 || asked || a.Scope == "system" && a.Name == "updated_ts" {
			out.Attributes = append(out.Attributes, a)
		}
	}
	if len(attributes) > 0 {
		out.Identities = nil
	}
	return out
}
